//! Plots of results, as SVG.

use super::series::{Spread, grouped};

pub struct Bar {
    pub label: String,
    pub ratio: Spread,
    pub wanted: Option<f64>,
}

pub struct Line {
    pub label: String,
    /// One for each number of contacts.
    pub values: Vec<f64>,
}

const WIDTH: f64 = 1040.0;
const ROW: f64 = 22.0;
const TOP: f64 = 60.0;
const INK: &str = "#24292f";
const GRID: &str = "#d0d7de";
const COLORS: [&str; 9] = [
    "#0969da", "#cf222e", "#1a7f37", "#8250df", "#bf8700", "#0550ae", "#bc4c00", "#6e7781",
    "#57606a",
];

/// Ratios on a logarithmic scale, each with its range and its target.
pub fn bars(title: &str, bars: &[Bar]) -> String {
    const LEFT: f64 = 540.0;
    let all =
        || bars.iter().flat_map(|bar| [bar.ratio.least, bar.ratio.most, bar.wanted.unwrap_or(1.0)]);
    // Whole powers of ten.
    let (low, high) =
        (all().fold(0.5, f64::min).log10().floor(), all().fold(2.0, f64::max).log10().ceil());
    let x = |ratio: f64| LEFT + (ratio.log10() - low) / (high - low) * (WIDTH - LEFT - 70.0);
    let height = TOP + bars.len() as f64 * ROW + 20.0;
    let mut svg = begin(title, height);
    let mut power = low;
    while power <= high {
        let ratio = 10_f64.powf(power);
        let color = if power == 0.0 { INK } else { GRID };
        svg.push_str(&vertical(x(ratio), TOP - 8.0, height - 16.0, color, 1.0));
        svg.push_str(&text(x(ratio), TOP - 14.0, "middle", &format!("{ratio}")));
        power += 1.0;
    }
    for (row, Bar { label, ratio, wanted }) in bars.iter().enumerate() {
        let y = TOP + row as f64 * ROW;
        let (start, end) = (x(ratio.median).min(x(1.0)), x(ratio.median).max(x(1.0)));
        let is_met = wanted.is_none_or(|wanted| ratio.median >= wanted);
        let color = if is_met { COLORS[0] } else { COLORS[1] };
        svg.push_str(&text(LEFT - 10.0, y + 12.0, "end", label));
        svg.push_str(&format!(
            "<rect x=\"{start:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"12\" fill=\"{color}\" fill-opacity=\"0.75\"/>\n",
            y + 2.0,
            end - start
        ));
        svg.push_str(&horizontal(x(ratio.least), x(ratio.most), y + 8.0, INK));
        if let Some(wanted) = wanted {
            svg.push_str(&vertical(x(*wanted), y, y + 16.0, INK, 3.0));
        }
        let beside = end.max(x(wanted.unwrap_or(1.0))).max(x(ratio.most)) + 6.0;
        svg.push_str(&text(beside, y + 12.0, "start", &format!("{:.2}", ratio.median)));
    }
    svg + "</svg>\n"
}

/// Lines over the number of contacts, which grows from left to right by its logarithm.
pub fn lines(title: &str, sizes: &[u64], lines: &[Line]) -> String {
    const LEFT: f64 = 60.0;
    const RIGHT: f64 = 560.0;
    const BOTTOM: f64 = 340.0;
    let most =
        lines.iter().flat_map(|line| &line.values).fold(1.5_f64, |most, value| most.max(*value));
    let (first, last) =
        (sizes.first().map_or(1, |size| *size), sizes.last().map_or(1, |size| *size));
    let decades = (last as f64 / first as f64).log10().max(f64::EPSILON);
    let x = |size: u64| LEFT + (size as f64 / first as f64).log10() / decades * (RIGHT - LEFT);
    let y = |ratio: f64| BOTTOM - ratio / most * (BOTTOM - TOP);
    let mut svg = begin(title, BOTTOM + 40.0);
    svg.push_str(&format!(
        "<rect x=\"{LEFT}\" y=\"{:.1}\" width=\"{}\" height=\"{:.1}\" fill=\"#1a7f37\" fill-opacity=\"0.12\"/>\n",
        y(1.15),
        RIGHT - LEFT,
        y(0.85) - y(1.15)
    ));
    for ratio in [0.0, 0.5, 1.0, 1.5] {
        svg.push_str(&horizontal(LEFT, RIGHT, y(ratio), GRID));
        svg.push_str(&text(LEFT - 8.0, y(ratio) + 4.0, "end", &format!("{ratio}")));
    }
    for size in sizes {
        svg.push_str(&text(x(*size), BOTTOM + 20.0, "middle", &grouped(*size as f64)));
    }
    for ((row, line), color) in lines.iter().enumerate().zip(COLORS.iter().cycle()) {
        let points = sizes.iter().zip(&line.values);
        let points = points.map(|(size, value)| format!("{:.1},{:.1}", x(*size), y(*value)));
        let points = points.collect::<Vec<_>>().join(" ");
        svg.push_str(&format!(
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>\n"
        ));
        let at = TOP + 10.0 + row as f64 * ROW;
        svg.push_str(&horizontal(RIGHT + 20.0, RIGHT + 40.0, at, color));
        svg.push_str(&text(RIGHT + 46.0, at + 4.0, "start", &line.label));
    }
    svg + "</svg>\n"
}

fn begin(title: &str, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">
<rect width=\"100%\" height=\"100%\" fill=\"white\"/>
<text x=\"20\" y=\"24\" font-size=\"15\" fill=\"{INK}\">{title}</text>\n"
    )
}

fn text(x: f64, y: f64, anchor: &str, text: &str) -> String {
    let text = text.replace('`', "").replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{INK}\">{text}</text>\n"
    )
}

fn vertical(x: f64, from: f64, to: f64, color: &str, width: f64) -> String {
    format!("<path d=\"M{x:.1} {from:.1}V{to:.1}\" stroke=\"{color}\" stroke-width=\"{width}\"/>\n")
}

fn horizontal(from: f64, to: f64, y: f64, color: &str) -> String {
    format!("<path d=\"M{from:.1} {y:.1}H{to:.1}\" stroke=\"{color}\" stroke-width=\"2\"/>\n")
}
