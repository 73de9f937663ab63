//! As much SVG as two charts need.

use std::fmt::Write;

/// Colours of a light page stand at the elements, for viewers without style sheets; a dark page overrides them by class.
const STYLE: &str = "<style>@media (prefers-color-scheme: dark) {\
    .page { fill: #0d1117 } .ink { fill: #e6edf3 } .faint { fill: #9198a1 } .grid { stroke: #30363d } \
    .halo { fill: #0d1117; stroke: #0d1117 }}</style>";

#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

pub struct Svg {
    text: String,
}

impl Svg {
    pub fn new(width: f64, height: f64, title: &str) -> Svg {
        let title = escape(title);
        let mut svg = Svg { text: String::new() };
        svg.line_of(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             role=\"img\" aria-label=\"{title}\" font-family=\"Helvetica, Arial, sans-serif\">"
        ));
        svg.line_of(format_args!("<title>{title}</title>{STYLE}"));
        svg.line_of(format_args!(
            "<rect class=\"page\" width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>"
        ));
        svg
    }

    pub fn finish(mut self) -> String {
        self.text += "</svg>\n";
        self.text
    }

    pub fn title(&mut self, (x, y): (f64, f64), text: &str) {
        self.write(
            (x, y),
            Anchor::Start,
            "class=\"ink\" fill=\"#1f2328\" font-size=\"18\" font-weight=\"bold\"",
            text,
        );
    }

    pub fn heading(&mut self, (x, y): (f64, f64), text: &str) {
        self.write(
            (x, y),
            Anchor::Middle,
            "class=\"ink\" fill=\"#1f2328\" font-size=\"14\" font-weight=\"bold\"",
            text,
        );
    }

    /// Ordinary text.
    pub fn label(&mut self, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        self.write((x, y), anchor, "class=\"ink\" fill=\"#1f2328\" font-size=\"12\"", text);
    }

    pub fn small(&mut self, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        self.write((x, y), anchor, "class=\"faint\" fill=\"#59636e\" font-size=\"11\"", text);
    }

    /// Text from the bottom to the top.
    pub fn upwards(&mut self, (x, y): (f64, f64), text: &str) {
        let how = format!(
            "class=\"faint\" fill=\"#59636e\" font-size=\"11\" transform=\"rotate(-90 {x:.1} {y:.1})\""
        );
        self.write((x, y), Anchor::Middle, &how, text);
    }

    /// A number among lines, which it hides around itself.
    pub fn number(&mut self, (x, y): (f64, f64), colour: &str, text: &str) {
        let halo = "class=\"halo\" fill=\"#ffffff\" stroke=\"#ffffff\" stroke-width=\"4\" font-size=\"11\"";
        self.write((x, y), Anchor::Middle, halo, text);
        let how = format!("fill=\"{colour}\" font-size=\"11\"");
        self.write((x, y), Anchor::Middle, &how, text);
    }

    pub fn grid_line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.line_of(format_args!(
            "<line class=\"grid\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#d8dee4\"/>"
        ));
    }

    /// A line through points, with a dot at each.
    pub fn curve(&mut self, points: &[(f64, f64)], colour: &str, width: f64, dashed: bool) {
        let places: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let dashes = if dashed { " stroke-dasharray=\"6 4\"" } else { "" };
        self.line_of(format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"{dashes}/>",
            places.join(" ")
        ));
        for (x, y) in points {
            let radius = width + 1.0;
            self.line_of(format_args!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{colour}\"/>"
            ));
        }
    }

    pub fn bar(&mut self, (x, y): (f64, f64), width: f64, height: f64, colour: &str, opacity: f64) {
        self.line_of(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\" \
             fill-opacity=\"{opacity}\"/>"
        ));
    }

    fn write(&mut self, (x, y): (f64, f64), anchor: Anchor, how: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.line_of(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {how}>{}</text>",
            escape(text)
        ));
    }

    fn line_of(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.text, "{text}");
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let mut svg = Svg::new(10.0, 10.0, "\"<a>\"");
        svg.label((1.0, 2.0), Anchor::Start, "<script>&");
        let text = svg.finish();
        assert!(text.contains("&lt;script&gt;&amp;</text>") && !text.contains("<script"), "{text}");
        assert!(text.contains("aria-label=\"&quot;&lt;a&gt;&quot;\""), "{text}");
    }
}
