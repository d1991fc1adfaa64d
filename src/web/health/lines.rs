//! Measurements of the last day as lines.

use maud::{Markup, html};

use crate::api::figures::{CameraSample, Figures, Sample};
use crate::web::{Session, Words};

/// The size of a picture, in its own units.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 80.0;
/// Most points of a line: more than a screen can show are averaged.
const POINTS: usize = 300;

/// One line: its name, and its values in the order of the samples.
struct Line {
    name: String,
    values: Vec<Option<f64>>,
}

/// All pictures; a sentence until there is a measurement.
pub fn all(session: &Session, figures: &Figures) -> Markup {
    let t = session.words();
    let (Some(first), Some(last)) = (figures.samples.first(), figures.samples.last()) else {
        return html! { p { (t.get("health-no-figures")) } };
    };
    html! {
        p.soft { (session.rfc3339(&first.at)) " – " (session.rfc3339(&last.at)) }
        div.grid {
            @for (title, lines) in pictures(t, figures) { (picture(t, &title, &lines)) }
        }
    }
}

/// The pictures that have something to show: a title and its lines.
fn pictures(t: &Words, figures: &Figures) -> Vec<(String, Vec<Line>)> {
    let samples = &figures.samples;
    let mut names: Vec<&str> =
        samples.iter().flat_map(|sample| &sample.cameras).map(|camera| camera.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let of_cameras = |value: &dyn Fn(&CameraSample) -> Option<f64>| -> Vec<Line> {
        let line = |name: &&str| Line {
            name: (*name).to_owned(),
            values: samples
                .iter()
                .map(|s| s.cameras.iter().find(|camera| camera.name == **name).and_then(value))
                .collect(),
        };
        names.iter().map(line).collect()
    };
    let one = |id: &str, value: &dyn Fn(&Sample) -> Option<f64>| {
        vec![Line { name: t.get(id), values: samples.iter().map(value).collect() }]
    };
    let all = vec![
        (t.get("health-frames"), of_cameras(&|camera| Some(camera.frames_per_s))),
        (t.get("health-looked-at"), of_cameras(&|camera| Some(camera.looked_at_per_s))),
        (t.get("health-latency"), of_cameras(&|camera| camera.latency_ms)),
        (t.get("health-temperature"), one("health-temperature", &|sample| sample.temperature_c)),
        (t.get("health-queue"), one("health-queue", &|sample| sample.queue.map(|queue| queue as f64))),
    ];
    let shown = |lines: &[Line]| lines.iter().any(|line| line.values.iter().any(Option::is_some));
    all.into_iter().filter(|(_, lines)| shown(lines)).collect()
}

/// A picture of lines from zero to the largest value, each with its words.
fn picture(t: &Words, title: &str, lines: &[Line]) -> Markup {
    let most = lines.iter().flat_map(|line| line.values.iter().flatten()).copied().fold(0.0, f64::max);
    let words: Vec<String> = lines.iter().filter_map(|line| in_words(t, line)).collect();
    html! {
        figure.card.plot {
            figcaption { (title) }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label={ (title) ": " (words.join("; ")) } {
                @for (place, line) in lines.iter().enumerate() {
                    @for points in strokes(&line.values, most) { polyline class={ "line line-" (place % 4) } points=(points) {} }
                }
            }
            @for (place, words) in words.iter().enumerate() { p.soft { span.key .{ "line-" (place % 4) } {} " " (words) } }
        }
    }
}

/// `front: now 14.9, from 12.0 to 15.0`.
fn in_words(t: &Words, line: &Line) -> Option<String> {
    let values = || line.values.iter().flatten().copied();
    let now = line.values.iter().rev().flatten().next()?;
    let least = values().fold(f64::INFINITY, f64::min);
    let most = values().fold(0.0, f64::max);
    let shown = |value: f64| if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") };
    let about = [
        ("name", line.name.as_str().into()),
        ("now", shown(*now).into()),
        ("least", shown(least).into()),
        ("most", shown(most).into()),
    ];
    Some(t.with("health-line", &about))
}

/// The points of a line, one stroke for each run of values without a gap. Zero is at the bottom, `most` at the top.
fn strokes(values: &[Option<f64>], most: f64) -> Vec<String> {
    let each = values.len().div_ceil(POINTS).max(1);
    let means: Vec<Option<f64>> = values.chunks(each).map(mean).collect();
    let last = means.len().saturating_sub(1).max(1) as f64;
    let top = if most > 0.0 { most } else { 1.0 };
    let mut strokes: Vec<String> = Vec::new();
    let mut goes_on = false;
    for (place, value) in means.iter().enumerate() {
        let Some(value) = value else {
            goes_on = false;
            continue;
        };
        let point = format!("{:.1},{:.1}", WIDTH * place as f64 / last, (HEIGHT - 2.0) * (1.0 - value / top) + 1.0);
        match strokes.last_mut().filter(|_| goes_on) {
            Some(stroke) => *stroke += &format!(" {point}"),
            None => strokes.push(point),
        }
        goes_on = true;
    }
    strokes
}

fn mean(values: &[Option<f64>]) -> Option<f64> {
    let there: Vec<f64> = values.iter().flatten().copied().collect();
    (!there.is_empty()).then(|| there.iter().sum::<f64>() / there.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_from_left_to_right_and_breaks_where_nothing_was_measured() {
        let values = [Some(0.0), Some(10.0), None, Some(5.0)];
        assert_eq!(strokes(&values, 10.0), ["0.0,79.0 200.0,1.0", "600.0,40.0"]);
        assert_eq!(strokes(&[Some(0.0)], 0.0), ["0.0,79.0"]);
        assert!(strokes(&[None, None], 3.0).is_empty());
    }

    #[test]
    fn a_day_becomes_as_many_points_as_a_screen_can_show() {
        let day: Vec<Option<f64>> = (0..1440).map(|minute| Some(f64::from(minute % 5))).collect();
        let line = strokes(&day, 4.0);
        assert_eq!(line.len(), 1);
        assert!(line[0].split(' ').all(|point| point.ends_with(",40.0")), "{line:?}");
        assert!(line[0].split(' ').count() <= POINTS);
    }
}
