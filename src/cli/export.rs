//! The options of every export as CSV.

use std::io::Write;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::table;

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
    pub fn writer<W: Write>(&self, out: W) -> Result<csv::Writer<W>> {
        Ok(table::CsvForm::from(*self).writer(out)?)
    }
}

impl From<CsvForm> for table::CsvForm {
    fn from(CsvForm { bom, separator }: CsvForm) -> table::CsvForm {
        let separator = match separator {
            Separator::Comma => table::Separator::Comma,
            Separator::Semicolon => table::Separator::Semicolon,
            Separator::Tab => table::Separator::Tab,
        };
        table::CsvForm { bom, separator }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_default_is_plain() {
        assert!(CsvForm::default().is_plain());
        assert!(!CsvForm { bom: true, ..CsvForm::default() }.is_plain());
        assert!(!CsvForm { separator: Separator::Tab, ..CsvForm::default() }.is_plain());
    }
}
