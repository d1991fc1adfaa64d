//! Drawings of measurements, as SVG text.

use plotters::prelude::*;
use thiserror::Error;

const SIZE_PX: (u32, u32) = (800, 560);
const BLUE: RGBColor = RGBColor(31, 119, 180);
const RED: RGBColor = RGBColor(214, 39, 40);
/// For several curves: the palette of Okabe and Ito, which colour-blind readers can distinguish.
const PALETTE: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(40, 40, 40),
];
const GREY: RGBColor = RGBColor(110, 110, 110);

/// Why a drawing could not be made.
#[derive(Debug, Error)]
#[error("the drawing could not be made: {0}")]
pub struct PlotError(String);

/// A curve with its name; without a name it is not in the legend.
pub struct Curve {
    pub name: String,
    /// A rate from 0 to 1 on the x axis, and another on the y axis.
    pub points: Vec<(f64, f64)>,
}

/// The fixed end of the y axis of rates; its other end fits the curves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum YAxis {
    /// For curves that are near 1 if they are good.
    UpToOne,
    /// For curves that are near 0 if they are good.
    FromZero,
}

/// The receiver operating characteristic: points of false accept rate and true accept rate.
pub fn roc(curve: &[(f64, f64)], title: &str) -> Result<String, PlotError> {
    let curve = Curve { name: String::new(), points: curve.to_vec() };
    rates(&[curve], YAxis::UpToOne, title, "false accept rate", "true accept rate")
}

/// Curves of two rates, with a logarithmic x axis. Of the points at rate 0, which the axis cannot show, the last one is drawn at the left edge.
pub fn rates(curves: &[Curve], y_axis: YAxis, title: &str, x_name: &str, y_name: &str) -> Result<String, PlotError> {
    // Down to the decade of the smallest rate that is not 0; at least one decade.
    let least = curves.iter().flat_map(|c| &c.points).map(|p| p.0).filter(|&x| x > 0.0).fold(0.1, f64::min);
    let left = 10f64.powf(least.log10().floor().clamp(-9.0, -1.0));
    let curves: Vec<Curve> = curves.iter().map(|curve| curve.from(left)).collect();
    let shown = || curves.iter().flat_map(|c| &c.points).map(|p| p.1);
    let (bottom, top) = match y_axis {
        YAxis::UpToOne => (1.0 - span(1.0 - shown().fold(1.0, f64::min)), 1.0),
        YAxis::FromZero => (0.0, span(shown().fold(0.0, f64::max))),
    };
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE_PX).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 20))
            .margin(16)
            .x_label_area_size(48)
            .y_label_area_size(64)
            .build_cartesian_2d((left..1.0).log_scale(), bottom..top)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .x_desc(x_name)
            .y_desc(y_name)
            .axis_desc_style(("sans-serif", 16))
            .label_style(("sans-serif", 14))
            .x_label_formatter(&|x| decade(*x))
            .y_label_formatter(&|y| format!("{:.3}", y).trim_end_matches('0').trim_end_matches('.').to_owned())
            .y_max_light_lines(1)
            .light_line_style(RGBColor(235, 235, 235))
            .bold_line_style(RGBColor(200, 200, 200))
            .draw()
            .map_err(failed)?;
        for (i, curve) in curves.iter().enumerate() {
            let colour = PALETTE.get(i % PALETTE.len()).copied().unwrap_or(BLUE);
            let drawn = chart
                .draw_series(LineSeries::new(curve.points.iter().copied(), colour.stroke_width(2)))
                .map_err(failed)?;
            if !curve.name.is_empty() {
                drawn
                    .label(&curve.name)
                    .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
            }
        }
        if curves.iter().any(|curve| !curve.name.is_empty()) {
            legend(&mut chart, SeriesLabelPosition::UpperRight)?;
        }
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

/// Histograms of the distances of genuine and impostor pairs, with named marks at some distances.
///
/// `genuine` and `impostor` are shares of all pairs of their kind, in bins of width `bin` from 0 on.
pub fn distances(
    genuine: &[f64],
    impostor: &[f64],
    bin: f64,
    marks: &[(f32, String)],
    title: &str,
) -> Result<String, PlotError> {
    // Leaves room above the bars for the names of the marks.
    let highest = genuine.iter().chain(impostor).copied().fold(0.0, f64::max).max(1e-6) * 1.3;
    let used = |bins: &[f64]| bins.iter().rposition(|&b| b > 0.0).map_or(0, |last| last + 2);
    let right = (used(genuine).max(used(impostor)).max(10) as f64 * bin).min(2.0);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE_PX).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 20))
            .margin(16)
            .x_label_area_size(48)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..right, 0.0..highest)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .x_desc("distance")
            .y_desc(format!("share of the pairs, in steps of {bin}"))
            .axis_desc_style(("sans-serif", 16))
            .label_style(("sans-serif", 14))
            .x_label_formatter(&|x| format!("{x:.1}"))
            .y_label_formatter(&|y| format!("{:.1} %", y * 100.0))
            .max_light_lines(1)
            .light_line_style(RGBColor(240, 240, 240))
            .bold_line_style(RGBColor(220, 220, 220))
            .draw()
            .map_err(failed)?;
        for (bins, colour, name) in [(impostor, RED, "two people"), (genuine, BLUE, "one person")] {
            let bars = bins.iter().enumerate().filter(|(_, share)| **share > 0.0).map(|(i, &share)| {
                let x = i as f64 * bin;
                Rectangle::new([(x, 0.0), ((x + bin).min(right), share)], colour.mix(0.55).filled())
            });
            chart
                .draw_series(bars)
                .map_err(failed)?
                .label(name)
                .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 20, y + 5)], colour.mix(0.55).filled()));
        }
        for (i, (distance, name)) in marks.iter().enumerate() {
            let (x, top) = (f64::from(*distance), highest * (0.97 - 0.05 * i as f64));
            let line = PathElement::new([(x, 0.0), (x, top)], GREY.stroke_width(1));
            chart.draw_series([line]).map_err(failed)?;
            // Left of its line, where there are few genuine pairs.
            let style = ("sans-serif", 13).into_font().color(&GREY);
            let anchor = plotters::style::text_anchor::Pos::new(
                plotters::style::text_anchor::HPos::Right,
                plotters::style::text_anchor::VPos::Top,
            );
            let text = Text::new(format!("{name} "), (x, top), style.pos(anchor));
            chart.draw_series([text]).map_err(failed)?;
        }
        legend(&mut chart, SeriesLabelPosition::UpperLeft)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

fn legend<'a, X, Y>(
    chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
    place: SeriesLabelPosition,
) -> Result<(), PlotError>
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    chart
        .configure_series_labels()
        .position(place)
        .label_font(("sans-serif", 14))
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(200, 200, 200))
        .draw()
        .map_err(failed)
}

impl Curve {
    /// A curve of measured points, which keeps each value until the next point: between two distances nothing was measured. `points` in the order
    /// of x.
    pub fn stepped(name: String, points: impl IntoIterator<Item = (f64, f64)>) -> Curve {
        let mut steps: Vec<(f64, f64)> = Vec::new();
        for (x, y) in points {
            if let Some(&(_, before)) = steps.last().filter(|(_, before)| *before != y) {
                steps.push((x, before));
            }
            steps.push((x, y));
        }
        Curve { name, points: steps }
    }

    /// The curve from `left` on. Of the points before it, the last one is moved to it.
    fn from(&self, left: f64) -> Curve {
        let before = self.points.iter().rev().find(|p| p.0 < left).map(|p| (left, p.1));
        let others = self.points.iter().filter(|p| p.0 >= left).copied();
        Curve { name: self.name.clone(), points: before.into_iter().chain(others).collect() }
    }
}

/// A round axis length with some room for `extent`: 0.01, 0.02, 0.05, 0.1 … 1.
fn span(extent: f64) -> f64 {
    let round = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
    round.into_iter().find(|&r| r >= extent * 1.1).unwrap_or(1.0)
}

/// 1, 0.1, 0.01, then 1e-3.
fn decade(x: f64) -> String {
    match x {
        x if x >= 0.0099 => ((x * 1000.0).round() / 1000.0).to_string(),
        x => format!("{x:.0e}"),
    }
}

fn failed(error: impl std::fmt::Display) -> PlotError {
    PlotError(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stepped_curve_has_corners_and_no_slopes() {
        let points = [(0.0, 0.5), (0.1, 0.5), (0.2, 0.3), (0.2, 0.1)];
        let curve = Curve::stepped("a".into(), points);
        assert_eq!(curve.points, [(0.0, 0.5), (0.1, 0.5), (0.2, 0.5), (0.2, 0.3), (0.2, 0.3), (0.2, 0.1)]);
        assert!(curve.points.windows(2).all(|pair| pair[0].0 == pair[1].0 || pair[0].1 == pair[1].1));
        assert!(Curve::stepped(String::new(), []).points.is_empty());
    }

    #[test]
    fn drawings_name_their_axes_and_survive_odd_data() {
        let svg = roc(&[(0.0, 0.0), (0.0, 0.9), (0.0004, 0.97), (1.0, 1.0)], "ROC of <m> & others").unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("false accept rate") && svg.contains("polyline"), "{svg}");
        assert!(svg.contains("ROC of &lt;m&gt; &amp; others"), "a name is no markup: {svg}");
        assert!(svg.contains("1e-3"), "{svg}");
        assert!(!svg.contains("0.85"), "the axis begins where the curve does: {svg}");
        for odd in [vec![], vec![(0.0, 0.0)], vec![(0.0, 0.0), (1.0, 1.0)]] {
            roc(&odd, "odd").unwrap();
        }
        let marks = [(0.9f32, "FMR 1e-4".to_owned())];
        let svg = distances(&[0.0, 0.5, 0.5], &[0.0, 0.0, 0.0, 1.0], 0.25, &marks, "two kinds").unwrap();
        assert!(svg.contains("one person") && svg.contains("two people") && svg.contains("FMR 1e-4"));
        distances(&[], &[], 0.02, &[], "nothing").unwrap();
    }
}
