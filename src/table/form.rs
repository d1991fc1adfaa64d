//! How lists are written for spreadsheets: separator, byte order mark, and cells that are not taken for formulas.

use std::io::{self, Write};

/// How CSV is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CsvForm {
    /// Begins with a byte order mark, by which Excel recognises UTF-8.
    pub bom: bool,
    pub separator: Separator,
}

/// What separates the columns. Excel expects a semicolon in locales with a decimal comma.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Separator {
    #[default]
    Comma,
    Semicolon,
    Tab,
}

impl Separator {
    /// The character as a byte.
    pub fn byte(self) -> u8 {
        match self {
            Separator::Comma => b',',
            Separator::Semicolon => b';',
            Separator::Tab => b'\t',
        }
    }
}

impl CsvForm {
    /// A writer of rows into `out`, after the byte order mark.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn writer<W: Write>(&self, mut out: W) -> io::Result<csv::Writer<W>> {
        if self.bom {
            out.write_all("\u{FEFF}".as_bytes())?;
        }
        Ok(csv::WriterBuilder::new().delimiter(self.separator.byte()).from_writer(out))
    }
}

/// A text that a spreadsheet does not take for a formula: operators choose names freely.
pub fn no_formula(text: &str) -> String {
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
    }

    #[test]
    fn a_name_is_no_formula() {
        assert_eq!(no_formula("=1+1"), "'=1+1");
        assert_eq!(no_formula("Ada"), "Ada");
    }
}
