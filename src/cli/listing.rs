//! Tables that fit the terminal: columns of less interest give way, then long cells are wrapped. Where standard output is no terminal, nothing is
//! left out and nothing wrapped, so that `grep` finds it. `COLUMNS` sets the width.

use std::io::{IsTerminal, Write};

use comfy_table::{ContentArrangement, Table};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::print::{Tone, out_has_colour, paint};
use crate::names::shown;

/// Begins the first line of each row until the table is laid out: a character without a width (WORD JOINER).
const ROW: char = '\u{2060}';
/// Spaces between two columns.
const GAP: u16 = 2;

/// A table with a heading.
pub struct Listing {
    heads: Vec<String>,
    rows: Vec<(Tone, Vec<String>)>,
    giving_way: Vec<&'static str>,
}

impl Listing {
    /// A table with these columns.
    pub fn new<const N: usize>(heads: [&str; N]) -> Listing {
        Listing { heads: heads.map(str::to_owned).into(), rows: Vec::new(), giving_way: Vec::new() }
    }

    /// Names the columns that are left out where there is no room for all, the first one first.
    pub fn giving_way(mut self, heads: &[&'static str]) -> Listing {
        self.giving_way = heads.into();
        self
    }

    /// Adds a row. Control characters in it are written out.
    pub fn row<const N: usize>(&mut self, tone: Tone, cells: [String; N]) {
        self.rows.push((tone, cells.map(|cell| shown(&cell).into_owned()).into()));
    }

    /// Prints the table.
    ///
    /// # Errors
    /// `out` cannot be written to.
    pub fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        write!(out, "{}", self.render(width(), out_has_colour()))
    }

    /// The table as text, at most `width` columns wide.
    fn render(&self, width: Option<u16>, coloured: bool) -> String {
        let mut heads = self.heads.clone();
        let mut rows: Vec<Vec<String>> = self.rows.iter().map(|(_, cells)| cells.clone()).collect();
        for leaving in &self.giving_way {
            if width.is_none_or(|width| natural(&table(&heads, &rows)) <= width) {
                break;
            }
            if let Some(place) = heads.iter().position(|head| head == leaving) {
                heads.remove(place);
                rows.iter_mut().filter(|row| place < row.len()).for_each(|row| drop(row.remove(place)));
            }
        }
        for first in rows.iter_mut().filter_map(|row| row.first_mut()) {
            first.insert(0, ROW);
        }
        let mut table = table(&heads, &rows);
        if let Some(width) = width.filter(|width| natural(&table) > *width) {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        let (mut text, mut tones, mut tone) = (String::new(), self.rows.iter().map(|(tone, _)| *tone), Tone::Plain);
        for line in table.trim_fmt().lines() {
            if line.contains(ROW) {
                tone = tones.next().unwrap_or_default();
            }
            text += &paint(tone, line.replace(ROW, "").trim_end(), coloured);
            text.push('\n');
        }
        text
    }
}

fn table(heads: &[String], rows: &[Vec<String>]) -> Table {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING).set_header(heads);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    table
}

/// The width of a table whose cells are not wrapped.
fn natural(table: &Table) -> u16 {
    let columns = table.column_max_content_widths();
    let gaps = GAP.saturating_mul(u16::try_from(columns.len()).unwrap_or(u16::MAX));
    columns.into_iter().fold(gaps, u16::saturating_add)
}

/// The width to fit; `None` where there is no limit.
pub fn width() -> Option<u16> {
    let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
    let out = std::io::stdout();
    let terminal = || rustix::termios::tcgetwinsize(&out).ok().map(|size| size.ws_col).filter(|columns| *columns > 0);
    asked.or_else(|| if out.is_terminal() { terminal().or(Some(80)) } else { None })
}

/// A moment of the API (RFC 3339 in UTC) as `2026-01-02 08:30` of a time zone. A text that is no moment stays as it is.
pub fn local_minute(moment: &str, zone: &TimeZone) -> String {
    local(moment, zone, "%Y-%m-%d %H:%M")
}

/// A moment of the API as `2026-01-02` of a time zone.
pub fn local_day(moment: &str, zone: &TimeZone) -> String {
    local(moment, zone, "%Y-%m-%d")
}

fn local(moment: &str, zone: &TimeZone, format: &str) -> String {
    match moment.parse::<Timestamp>() {
        Ok(at) => at.to_zoned_datetime(zone.clone()).strftime(format).to_string(),
        Err(_) => moment.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(name: &str) -> Listing {
        let mut listing = Listing::new(["#", "NAME", "STATE", "TAGS", "ENROLLED"]).giving_way(&["TAGS", "ENROLLED"]);
        let row = |number: &str, name: &str| [number, name, "enabled", "2", "2026-01-02"].map(str::to_owned);
        listing.row(Tone::Plain, row("1", name));
        listing.row(Tone::Bad, row("2", "Bob"));
        listing
    }

    fn widest(text: &str) -> usize {
        text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
    }

    #[test]
    fn without_a_limit_everything_is_there_on_one_line() {
        let text = people(&"Maximilian ".repeat(12)).render(None, false);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.starts_with("#  NAME") && text.contains("TAGS") && text.ends_with("2026-01-02\n"), "{text}");
        assert!(!text.contains(ROW) && !text.contains(" \n"), "{text}");
    }

    #[test]
    fn columns_give_way_in_turn_and_then_cells_are_wrapped() {
        let ada = people("Ada Lovelace");
        for (columns, has_tags, has_days) in [(80, true, true), (38, false, true), (26, false, false)] {
            let text = ada.render(Some(columns), false);
            assert_eq!((text.contains("TAGS"), text.contains("ENROLLED")), (has_tags, has_days), "{columns}: {text}");
            assert!(widest(&text) <= usize::from(columns) && text.lines().count() == 3, "{columns}: {text}");
        }
        let text = people("Maximilian Alexander Ferdinand von und zu der langen Zeile am Rande der Stadt")
            .render(Some(40), false);
        assert!(widest(&text) <= 40 && text.lines().count() > 3 && text.contains("Rande"), "{text}");
    }

    #[test]
    fn a_row_has_its_colour_on_all_its_lines_and_no_other_row_has_it() {
        let mut listing = Listing::new(["#", "REASONS"]);
        listing.row(Tone::Plain, ["1".into(), "none".into()]);
        listing.row(Tone::Bad, ["2".into(), "passback, outside the schedule, disabled, expired".into()]);
        listing.row(Tone::Plain, ["3".into(), "none".into()]);
        let text = listing.render(Some(24), true);
        let (red, plain): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("\u{1b}[31m"));
        assert!(red.len() >= 2 && plain.len() == 3, "{text}");
    }

    #[test]
    fn times_are_local_and_without_seconds() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(local_minute("2026-01-02T23:04:05Z", &zone), "2026-01-03 00:04");
        assert_eq!(local_day("2026-07-02T21:59:59.5Z", &zone), "2026-07-02");
        assert_eq!(local_day("(erased)", &zone), "(erased)");
    }
}
