//! How a command writes CSV: the one form for all exports.

use std::io::Write;

use anyhow::Result;
use clap::{Args, ValueEnum};

/// Options of everything that is written as CSV.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct CsvForm {
    /// Begin the CSV with a byte order mark, by which Excel knows that it is UTF-8
    #[arg(long)]
    pub bom: bool,
    /// What stands between the columns of the CSV; Excel wants a semicolon where the comma is the decimal sign
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Separator::Comma)]
    pub separator: Separator,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Separator {
    #[default]
    Comma,
    Semicolon,
    Tab,
}

impl CsvForm {
    /// Whether nothing was asked for that only CSV can have.
    pub fn is_plain(&self) -> bool {
        !self.bom && self.separator == Separator::Comma
    }

    /// Writes rows into `out` in this form, the byte order mark first.
    pub fn writer<W: Write>(&self, mut out: W) -> Result<csv::Writer<W>> {
        if self.bom {
            out.write_all("\u{FEFF}".as_bytes())?;
        }
        let separator = match self.separator {
            Separator::Comma => b',',
            Separator::Semicolon => b';',
            Separator::Tab => b'\t',
        };
        Ok(csv::WriterBuilder::new().delimiter(separator).from_writer(out))
    }
}

/// Names are chosen by people who enrol: a spreadsheet must not take one for a formula.
pub fn plain(text: &str) -> String {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_comes_first_and_cells_with_the_separator_are_quoted() {
        let mut bytes = Vec::new();
        let form = CsvForm { bom: true, separator: Separator::Semicolon };
        form.writer(&mut bytes).unwrap().write_record(["Zoë", "a;b", "c,d"]).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), "\u{FEFF}Zoë;\"a;b\";c,d\n");
        assert!(!form.is_plain() && CsvForm::default().is_plain());
    }
}
