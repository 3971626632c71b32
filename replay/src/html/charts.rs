//! Charts as SVG.

use std::fmt::Write as _;

use crate::curve::Curve;
use crate::expect::escape;

const WIDTH: f64 = 1_060.0;

fn svg(width: f64, height: f64, label: &str, body: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">{body}</svg>",
        escape(label)
    )
}

/// A number for an axis: short.
fn short(n: f64) -> String {
    match n {
        n if n >= 1e6 => format!("{:.1} M", n / 1e6),
        n if n >= 1e4 => format!("{:.0} k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

/// Where an axis of counts ends: at or above the greatest, and so that half of it can be written as short.
fn axis_end(most: u64) -> u64 {
    let unit = match most {
        0..10_000 => 2,
        most => 2 * 10u64.pow(most.ilog10().saturating_sub(1)),
    };
    most.div_ceil(unit).saturating_mul(unit).max(2)
}

/// A title cut to what fits beside its bar.
fn cut(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// Bars over time, of one rule set or two side by side.
pub fn bars(series: &[(&str, &[u64])], label: &dyn Fn(usize) -> String, each: &str) -> String {
    const HEIGHT: f64 = 170.0;
    let count = series.iter().map(|(_, counts)| counts.len()).max().unwrap_or(0);
    let most = series.iter().flat_map(|(_, counts)| counts.iter()).copied().max().unwrap_or(0);
    if count == 0 || most == 0 {
        return "<p class=\"dim\">Nothing in this stretch of time.</p>".to_owned();
    }
    let (left, bottom, top) = (52.0, HEIGHT - 24.0, 16.0);
    let most = axis_end(most);
    let step = (WIDTH - left) / count as f64;
    let width = (step / series.len() as f64 * 0.86).min(46.0);
    let mut body = String::new();
    for part in [0.0, 0.5, 1.0] {
        let y = bottom - (bottom - top) * part;
        let _ = write!(
            body,
            "<line class=\"axis\" x1=\"{left}\" x2=\"{WIDTH}\" y1=\"{y}\" y2=\"{y}\"/><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            left - 6.0,
            y + 4.0,
            short(most as f64 * part)
        );
    }
    for (at, (name, counts)) in series.iter().enumerate() {
        for (bar, &value) in counts.iter().enumerate().filter(|(_, value)| **value > 0) {
            let height = ((bottom - top) * value as f64 / most as f64).max(1.5);
            let x = left + step * bar as f64 + (step - width * series.len() as f64) / 2.0 + width * at as f64;
            let _ = write!(
                body,
                "<rect class=\"{}\" x=\"{x:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{height:.2}\"><title>{} {}{}: {value}</title></rect>",
                if at == 0 { "fa" } else { "fb" },
                bottom - height,
                width.max(0.6),
                label(bar),
                if name.is_empty() { "" } else { " " },
                name
            );
        }
    }
    let shown: Vec<usize> = match count {
        1 => vec![0],
        2..=4 => vec![0, count - 1],
        _ => vec![0, count / 2, count - 1],
    };
    for bar in shown {
        let (x, anchor) = match bar {
            0 => (left, "start"),
            bar if bar + 1 == count => (WIDTH, "end"),
            bar => (left + step * (bar as f64 + 0.5), "middle"),
        };
        let _ = write!(
            body,
            "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            HEIGHT - 6.0,
            label(bar)
        );
    }
    if series.len() > 1 {
        let _ = write!(
            body,
            "<rect class=\"fa\" x=\"{left}\" y=\"0\" width=\"9\" height=\"9\"/><text x=\"{}\" y=\"9\">A</text><rect class=\"fb\" x=\"{}\" y=\"0\" width=\"9\" height=\"9\"/><text x=\"{}\" y=\"9\">B</text>",
            left + 13.0,
            left + 34.0,
            left + 47.0
        );
    }
    let chart = svg(WIDTH, HEIGHT, &format!("alerts, {each} a bar"), &body);
    format!("<div class=\"chart bars\">{chart}</div><p class=\"dim\">{each} a bar, in UTC.</p>")
}

/// A course over time beside a rule.
pub fn spark(counts: &[u64]) -> String {
    let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let step = 170.0 / counts.len().max(1) as f64;
    let mut body = String::new();
    for (at, value) in counts.iter().enumerate().filter(|(_, value)| **value > 0) {
        let height = (22.0 * *value as f64 / most).max(1.5);
        let _ = write!(
            body,
            "<rect class=\"fa\" x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{height:.2}\"/>",
            step * at as f64,
            24.0 - height,
            (step * 0.85).clamp(1.0, 12.0)
        );
    }
    svg(170.0, 24.0, "over time", &body)
}

/// For each rule what only A, both, and only B tell of.
pub fn split(rows: &[(String, [u64; 3])]) -> String {
    const ROW: f64 = 24.0;
    let (left, right) = (360.0, WIDTH - 150.0);
    let most = rows.iter().map(|(_, counts)| counts.iter().sum::<u64>()).max().unwrap_or(0).max(1) as f64;
    let mut body = String::new();
    for (at, (name, class)) in [("only A", "fa"), ("both", "fboth"), ("only B", "fb")].iter().enumerate() {
        let x = left + 70.0 * at as f64;
        let _ = write!(
            body,
            "<rect class=\"{class}\" x=\"{x}\" y=\"0\" width=\"9\" height=\"9\"/><text x=\"{}\" y=\"9\">{name}</text>",
            x + 13.0
        );
    }
    for (row, (title, counts)) in rows.iter().enumerate() {
        let y = 20.0 + ROW * row as f64;
        let _ = write!(
            body,
            "<text class=\"name\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            left - 8.0,
            y + 13.0,
            escape(&cut(title, 52))
        );
        let mut x = left;
        for (count, class) in counts.iter().zip(["fa", "fboth", "fb"]).filter(|(count, _)| **count > 0) {
            let width = ((right - left) * *count as f64 / most).max(1.5);
            let _ = write!(
                body,
                "<rect class=\"{class}\" x=\"{x:.2}\" y=\"{y}\" width=\"{width:.2}\" height=\"17\"><title>{count}</title></rect>"
            );
            x += width;
        }
        let _ = write!(
            body,
            "<text x=\"{:.1}\" y=\"{}\">{} · {} · {}</text>",
            x + 8.0,
            y + 13.0,
            counts[0],
            counts[1],
            counts[2]
        );
    }
    format!(
        "<div class=\"chart split\">{}</div>",
        svg(WIDTH, 24.0 + ROW * rows.len() as f64, "alerts by rule: only A, both, only B", &body)
    )
}

/// A threshold curve.
pub fn curve(curve: &Curve) -> String {
    const W: f64 = 340.0;
    const H: f64 = 190.0;
    let (left, right, top, bottom) = (44.0, W - 10.0, 12.0, H - 30.0);
    let greatest = curve.points.iter().map(|point| point.n).max().unwrap_or(1).max(curve.now).max(2) as f64;
    let most = curve.points.iter().map(|point| point.alerts).max().unwrap_or(0).max(1) as f64;
    // thresholds span magnitudes: equal steps are equal factors
    let x = |n: f64| left + (right - left) * n.max(1.0).ln() / greatest.ln();
    let y = |alerts: f64| bottom - (bottom - top) * alerts / most;
    let (mut path, mut body) = (String::new(), String::new());
    let mut before = 1.0;
    for point in &curve.points {
        // up to a threshold there are as many alerts as at it
        let (here, height) = (x(point.n as f64), y(point.alerts as f64));
        let _ = write!(
            path,
            "{}{:.1},{height:.1} L{here:.1},{height:.1} ",
            if path.is_empty() { "M" } else { "L" },
            x(before)
        );
        before = point.n as f64;
    }
    for (at, anchor) in [(1.0, "start"), (greatest, "end")] {
        let _ = write!(
            body,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            x(at),
            bottom + 14.0,
            short(at)
        );
    }
    for part in [0.0, 1.0] {
        let at = y(most * part);
        let _ = write!(
            body,
            "<line class=\"axis\" x1=\"{left}\" x2=\"{right}\" y1=\"{at}\" y2=\"{at}\"/><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            left - 6.0,
            at + 4.0,
            short(most * part)
        );
    }
    let now = x(curve.now as f64);
    let _ = write!(
        body,
        "<path class=\"sa\" d=\"{path}\"/><line class=\"now\" x1=\"{now:.1}\" x2=\"{now:.1}\" y1=\"{top}\" y2=\"{bottom}\"/><text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">threshold (now {}: {} alerts)</text>",
        (left + right) / 2.0,
        H - 3.0,
        curve.now,
        curve.at(curve.now)
    );
    format!("<div class=\"chart curve\">{}</div>", svg(W, H, "alerts by threshold", &body))
}

/// Amounts by name.
pub fn amounts(rows: &[(String, f64, String)]) -> String {
    const ROW: f64 = 24.0;
    let (left, right) = (360.0, WIDTH - 330.0);
    let most = rows.iter().map(|(_, amount, _)| *amount).fold(0.0, f64::max).max(1e-12);
    let mut body = String::new();
    for (row, (name, amount, said)) in rows.iter().enumerate() {
        let y = ROW * row as f64;
        let width = ((right - left) * amount / most).max(1.0);
        let _ = write!(
            body,
            "<text class=\"name\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text><rect class=\"fa\" x=\"{left}\" y=\"{y}\" width=\"{width:.2}\" height=\"17\"/><text x=\"{:.1}\" y=\"{}\">{}</text>",
            left - 8.0,
            y + 13.0,
            escape(&cut(name, 52)),
            left + width + 8.0,
            y + 13.0,
            escape(said)
        );
    }
    format!(
        "<div class=\"chart amounts\">{}</div>",
        svg(WIDTH, ROW * rows.len().max(1) as f64, "amounts", &body)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_an_axis_is_what_is_written_there() {
        for (most, end) in
            [(1, 2), (2, 2), (5, 6), (75, 76), (9_999, 10_000), (15_001, 16_000), (1_230_000, 1_400_000)]
        {
            assert_eq!(axis_end(most), end, "{most}");
        }
        for most in (1..3_000).chain((3_000..5_000_000).step_by(997)) {
            let end = axis_end(most);
            assert!(end >= most && end <= most + most / 4 + 2, "{most}: {end}");
            let (half, whole) = (short(end as f64 / 2.0), short(end as f64));
            let of = |text: &str| {
                let number: f64 = text.trim_end_matches([' ', 'k', 'M']).parse().expect("a number");
                number
                    * if text.ends_with('k') {
                        1e3
                    } else if text.ends_with('M') {
                        1e6
                    } else {
                        1.0
                    }
            };
            assert!((of(&half) * 2.0 - of(&whole)).abs() < 1e-6 * of(&whole), "{most}: {half} of {whole}");
        }
        assert!(axis_end(u64::MAX) >= u64::MAX / 2);
    }
}
