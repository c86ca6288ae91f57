"""The core: signed history and the rules over it. Everything but `journal`, `sync` and `keyfile` is pure."""
