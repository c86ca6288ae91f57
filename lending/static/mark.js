// A signature or a mark, drawn with finger, pen or mouse, becomes strokes in a hidden field. Without this: type a name.
const canvas = document.getElementById("mark-canvas");
const field = document.getElementById("mark-strokes");
const box = document.getElementById("mark-box");
const MOST_POINTS = 900;
let strokes = [];
let drawing = false;

function show() {
  const chosen = document.querySelector('input[name="how"]:checked');
  box.hidden = !(chosen && chosen.value === "mark");
}

function spot(event) {
  const area = canvas.getBoundingClientRect();
  const fit = (value, most) => Math.max(0, Math.min(most, Math.round(value)));
  return [
    fit(((event.clientX - area.left) / area.width) * 1000, 1000),
    fit(((event.clientY - area.top) / area.height) * 400, 400),
  ];
}

function paint() {
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, 1000, 400);
  pen.lineWidth = 6;
  pen.lineCap = pen.lineJoin = "round";
  for (const stroke of strokes) {
    pen.beginPath();
    stroke.forEach(([x, y], number) => (number ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    if (stroke.length === 1) pen.lineTo(stroke[0][0] + 1, stroke[0][1]);
    pen.stroke();
  }
  field.value = strokes.map((stroke) => stroke.map(([x, y]) => `${x},${y}`).join(" ")).join("|");
}

function add(event) {
  const [x, y] = spot(event);
  const stroke = strokes[strokes.length - 1];
  const last = stroke[stroke.length - 1];
  const far = !last || Math.hypot(last[0] - x, last[1] - y) > 6;
  if (far && strokes.reduce((sum, one) => sum + one.length, 0) < MOST_POINTS) stroke.push([x, y]);
  paint();
}

if (canvas) {
  document.querySelectorAll('input[name="how"]').forEach((one) => one.addEventListener("change", show));
  canvas.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    drawing = true;
    strokes.push([]);
    add(event);
  });
  canvas.addEventListener("pointermove", (event) => drawing && add(event));
  canvas.addEventListener("pointerup", () => (drawing = false));
  canvas.addEventListener("pointercancel", () => (drawing = false));
  document.getElementById("mark-clear").addEventListener("click", () => {
    strokes = [];
    paint();
  });
  show();
}
