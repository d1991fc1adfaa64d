//! CSV as all exports write it.

use std::io::Write;

use anyhow::Result;
use clap::{Args, ValueEnum};

/// How CSV is written.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct CsvForm {
    /// Begin the CSV with a byte order mark, so that Excel reads it as UTF-8
    #[arg(long)]
    pub bom: bool,
    /// What separates the columns; Excel expects a semicolon in locales with a decimal comma
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
    /// Whether no option is set that applies to CSV only.
    pub fn is_plain(&self) -> bool {
        !self.bom && self.separator == Separator::Comma
    }

    /// A writer of rows into `out`, after the byte order mark.
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

/// A text that a spreadsheet does not take for a formula: operators choose names freely.
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
    fn the_byte_order_mark_comes_first_and_cells_with_the_separator_are_quoted() {
        let mut bytes = Vec::new();
        let form = CsvForm { bom: true, separator: Separator::Semicolon };
        form.writer(&mut bytes).unwrap().write_record(["Zoë", "a;b", "c,d"]).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), "\u{FEFF}Zoë;\"a;b\";c,d\n");
        assert!(!form.is_plain() && CsvForm::default().is_plain());
    }
}
