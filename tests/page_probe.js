// What tests/test_page.py asks of results/index.html in a browser, in a frame as wide as a window; the answers are left
// in an element called said of the page around it.
window.addEventListener("load", () => {
  const every = (query) => [...document.querySelectorAll(query)];
  const shown = () => every("details.claim").filter((claim) => !claim.hidden).length;

  const set = (id, property, value) => {
    const element = document.getElementById(id);
    element[property] = value;
    element.dispatchEvent(new Event("input"));
  };

  // WCAG's relative luminance and contrast
  const channel = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\d.]+/g).map((part) => channel(part / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (!colour.endsWith(", 0)") && colour !== "transparent") return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const contrast = (element) => {
    const pair = [luminance(getComputedStyle(element).color), luminance(ground(element))].sort((a, b) => b - a);
    return (pair[0] + 0.05) / (pair[1] + 0.05);
  };

  const overlap = (p, q, slack = 1) =>
    p.left < q.right - slack && q.left < p.right - slack && p.top < q.bottom - slack && q.top < p.bottom - slack;
  const overlaps = every("details.claim > summary").filter((summary) => {
    const boxes = [...summary.children].map((child) => child.getBoundingClientRect());
    return boxes.some((p, i) => boxes.slice(i + 1).some((q) => overlap(p, q)));
  });

  every("details").forEach((claim) => { claim.open = true; });

  // what is written in drawings: of slanted words the boxes overlap where the words do not, white ones are on colours
  const slanted = (text) => /rotate\((?!-?(0|90)[ )])/.test(text.getAttribute("transform"));
  const written = every("svg").map((svg) => [...svg.querySelectorAll("text")].filter((text) => !slanted(text)));
  const over = written.flatMap((texts) => {
    const boxes = texts.map((text) => [text.getBoundingClientRect(), text.textContent]);
    return boxes.flatMap(([p, said], i) =>
      boxes.slice(i + 1).filter(([q]) => overlap(p, q, 3)).map(([, other]) => `${said} | ${other}`));
  });
  const fills = written.flat().map((text) => getComputedStyle(text).fill).filter((fill) => fill !== "rgb(255, 255, 255)");
  const on_white = (colour) => 1.05 / (luminance(colour) + 0.05);
  const clipped = every(".strip text").filter((text) => text.getBBox().x < 0);

  const said = {
    clipped: clipped.length,
    errors: window.problems,
    wide: document.documentElement.scrollWidth,
    inner: window.innerWidth,
    overlaps: overlaps.length,
    over,
    faintest: Math.min(...fills.map(on_white)),
    contrast: Math.min(...every("h1, h2, h3, p, a, .verdict, small, dt, dd, td, summary span").map(contrast)),
  };
  said.all = shown();
  set("experiment", "value", "signal_depth");
  said.experiment = shown();
  set("words", "value", "gradients");
  said.words = shown();
  set("experiment", "value", "");
  set("words", "value", "");

  // of each value of a filter what is shown, and what should be
  for (const id of ["question", "verdict", "role"]) {
    const values = every(`#${id} option`).map((option) => option.value).filter(Boolean);
    said[id] = values.map((value) => {
      set(id, "value", value);
      return [value, shown(), every("details.claim").filter((claim) => claim.dataset[id] === value).length];
    });
    set(id, "value", "");
  }
  said.again = shown();

  const open = () => every("details.claim").filter((claim) => claim.open).length;
  every("details.claim").forEach((claim, i) => { claim.open = i === 0; });
  const before = open();
  window.dispatchEvent(new Event("beforeprint"));
  said.printed = [before, open()];
  window.dispatchEvent(new Event("afterprint"));
  said.printed.push(open());

  const answer = document.createElement("pre");
  answer.id = "said";
  answer.textContent = JSON.stringify(said);
  window.parent.document.body.append(answer);
});
