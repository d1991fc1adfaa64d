//! Lists made with spreadsheets, as rows of named columns.
//!
//! - `text`: bytes to text in any common encoding
//! - this file: text to rows, with any common separator
//! - `form`: rows to CSV for spreadsheets
//!
//! The first row names the columns. Column names are compared ignoring case, spaces, hyphens and underscores. Unknown columns, empty rows and
//! empty cells at the end are ignored. Each error names the line and the column as they are in the file.

mod form;
mod text;

use std::path::{Path, PathBuf};
use text::TextError;
use thiserror::Error;

pub use form::{CsvForm, Separator, no_formula};

/// The separators that are recognised, the likeliest first.
const SEPARATORS: [char; 3] = [',', ';', '\t'];

/// A list that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    path: PathBuf,
    /// The column names as written in the first row.
    columns: Vec<String>,
    rows: Vec<Row>,
    separator: char,
    /// What was assumed, for the user.
    pub notes: Vec<String>,
}

/// A non-empty row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line of the file on which it starts, from 1.
    pub line: usize,
    cells: Vec<String>,
}

/// The position of a column in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column(usize);

/// Why a list cannot be used.
#[derive(Debug, Error)]
pub enum TableError {
    #[error("{} cannot be read: {why}", path.display())]
    Unreadable { path: PathBuf, why: std::io::Error },
    #[error("{}: {why}; save the list as CSV (UTF-8)", path.display())]
    NoText { path: PathBuf, why: TextError },
    #[error("{} is empty: its first line must name the columns", path.display())]
    Empty { path: PathBuf },
    #[error("{}, line 1: there is no column \"{column}\": the first line names {}{}", path.display(), listed(found), apart(*separator, found))]
    NoColumn { path: PathBuf, column: String, found: Vec<String>, separator: char },
    #[error("{}, line 1: there are two columns \"{column}\"", path.display())]
    Twice { path: PathBuf, column: String },
    #[error(
        "{}, line {line}: there are {cells} cells, but the first line names {columns} columns: put a cell that contains the {} \
         in quotation marks", path.display(), named(*separator)
    )]
    TooLong { path: PathBuf, line: usize, cells: usize, columns: usize, separator: char },
    #[error("{}, line {line}: a quotation mark is opened here but never closed", path.display())]
    OpenQuote { path: PathBuf, line: usize },
    #[error("{}, line {line}, column \"{column}\": {why}", path.display())]
    Cell { path: PathBuf, line: usize, column: String, why: String },
    #[error("{}, line {line}: {why}", path.display())]
    Line { path: PathBuf, line: usize, why: String },
}

/// Reads a text file. Returns its text with LF line endings, and what was assumed about its encoding.
pub fn read_text(path: &Path) -> Result<(String, Option<String>), TableError> {
    let bytes = std::fs::read(path).map_err(|why| TableError::Unreadable { path: path.to_owned(), why })?;
    let decoded = text::decode(&bytes).map_err(|why| TableError::NoText { path: path.to_owned(), why })?;
    Ok((decoded.text, decoded.note.map(|note| format!("{}: {note}", path.display()))))
}

impl Table {
    /// Reads the list at `path`. Columns are separated by comma, semicolon or tab. The encoding is UTF-8 with or without a byte order mark,
    /// UTF-16, or else Windows-1252, with a note about that.
    pub fn read(path: &Path) -> Result<Table, TableError> {
        let bytes = std::fs::read(path).map_err(|why| TableError::Unreadable { path: path.to_owned(), why })?;
        Table::parse(path, &bytes)
    }

    /// As [`read`](Table::read), from bytes. `path` is for messages.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Table, TableError> {
        let decoded = text::decode(bytes).map_err(|why| TableError::NoText { path: path.to_owned(), why })?;
        let notes = decoded.note.map(|note| format!("{}: {note}", path.display())).into_iter().collect();
        let (text, skipped, said) = after_hint(&decoded.text);
        let separator = said.unwrap_or_else(|| separator(text));
        let mut rows = rows(path, text, separator)?;
        rows.iter_mut().for_each(|row| row.line += skipped);
        if rows.is_empty() {
            return Err(TableError::Empty { path: path.to_owned() });
        }
        let mut columns = rows.remove(0).cells;
        // Spreadsheets may leave empty columns at the right.
        columns.truncate(columns.iter().rposition(|column| !column.is_empty()).map_or(0, |last| last + 1));
        for row in &mut rows {
            let used = row.cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
            if used > columns.len() {
                let (line, cells, columns) = (row.line, used, columns.len());
                return Err(TableError::TooLong { path: path.to_owned(), line, cells, columns, separator });
            }
            row.cells.resize(columns.len(), String::new());
        }
        Ok(Table { path: path.to_owned(), columns, rows, separator, notes })
    }

    /// The non-empty rows after the first.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The column names as written in the first row.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The first row, for lists without column names.
    pub fn first_row(&self) -> Row {
        Row { line: 1, cells: self.columns.clone() }
    }

    /// The column `name`, if the list has it.
    ///
    /// # Errors
    /// The list has two such columns.
    pub fn column(&self, name: &str) -> Result<Option<Column>, TableError> {
        let wanted = plain(name);
        let mut found = (0..self.columns.len()).filter(|&at| self.columns.get(at).is_some_and(|c| plain(c) == wanted));
        let first = found.next();
        match found.next() {
            Some(_) => Err(TableError::Twice { path: self.path.clone(), column: name.to_owned() }),
            None => Ok(first.map(Column)),
        }
    }

    /// The column `name`.
    ///
    /// # Errors
    /// The list has no such column, or two.
    pub fn require_column(&self, name: &str) -> Result<Column, TableError> {
        self.column(name)?.ok_or_else(|| TableError::NoColumn {
            path: self.path.clone(),
            column: name.to_owned(),
            found: self.columns.clone(),
            separator: self.separator,
        })
    }

    /// A note for the user about the columns not in `used`; `None` if there are none.
    pub fn unused(&self, used: &[&str]) -> Option<String> {
        let used: Vec<String> = used.iter().map(|name| plain(name)).collect();
        let others: Vec<String> =
            self.columns.iter().filter(|name| !name.is_empty() && !used.contains(&plain(name))).cloned().collect();
        let path = self.path.display();
        (!others.is_empty()).then(|| format!("{path}: ignored columns: {}", listed(&others)))
    }

    /// The error for a cell.
    pub fn cell_error(&self, row: &Row, column: Column, why: impl Into<String>) -> TableError {
        let name = self.columns.get(column.0).cloned().unwrap_or_default();
        TableError::Cell { path: self.path.clone(), line: row.line, column: name, why: why.into() }
    }

    /// The error for a row.
    pub fn row_error(&self, row: &Row, why: impl Into<String>) -> TableError {
        TableError::Line { path: self.path.clone(), line: row.line, why: why.into() }
    }
}

impl Row {
    /// The trimmed cell of a column; empty if the row has none.
    pub fn get(&self, column: Column) -> &str {
        self.cells.get(column.0).map_or("", String::as_str)
    }

    /// As [`get`](Row::get); `None` without a column or if the cell is empty.
    pub fn get_non_empty(&self, column: Option<Column>) -> Option<&str> {
        column.map(|column| self.get(column)).filter(|cell| !cell.is_empty())
    }

    /// The non-empty cells.
    pub fn filled(&self) -> impl Iterator<Item = &str> {
        self.cells.iter().map(String::as_str).filter(|cell| !cell.is_empty())
    }
}

/// Skips Excel's line `sep=;`. Returns the rest, the number of lines skipped, and the separator it names.
fn after_hint(text: &str) -> (&str, usize, Option<char>) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let named = first.trim_end_matches('\r').trim_matches('"').strip_prefix("sep=").map(|rest| rest.chars());
    match named.map(|mut rest| (rest.next(), rest.next())) {
        Some((Some(separator), None)) if separator.is_ascii() => (rest, 1, Some(separator)),
        _ => (text, 0, None),
    }
}

/// The separator that occurs most often outside quotation marks in the first non-empty row.
fn separator(text: &str) -> char {
    let mut counts = SEPARATORS.map(|separator| (separator, 0usize));
    let mut quoted = false;
    let mut seen = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '\n' if !quoted && seen => break,
            _ => {}
        }
        seen |= !c.is_whitespace();
        if let Some((_, count)) = counts.iter_mut().find(|(separator, _)| *separator == c && !quoted) {
            *count += 1;
        }
    }
    // The first of the most frequent.
    let [first, others @ ..] = counts;
    others.into_iter().fold(first, |best, other| if other.1 > best.1 { other } else { best }).0
}

/// The non-empty rows with trimmed cells. `text` has LF line endings.
fn rows(path: &Path, text: &str, separator: char) -> Result<Vec<Row>, TableError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(u8::try_from(separator).unwrap_or(b','))
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    let (mut line, mut counted) = (1, 0);
    for record in reader.records() {
        let record =
            record.map_err(|error: csv::Error| TableError::NoText { path: path.to_owned(), why: error.into() })?;
        // The reader reports the line of the first empty line before the row.
        let mut at = record.position().map_or(0, |position| usize::try_from(position.byte()).unwrap_or(usize::MAX));
        let bytes = text.as_bytes();
        while bytes.get(at) == Some(&b'\n') {
            at += 1;
        }
        line += bytes.get(counted..at).map_or(0, |between| between.iter().filter(|byte| **byte == b'\n').count());
        counted = at.max(counted);
        let cells: Vec<String> = record.iter().map(|cell| cell.trim().to_owned()).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            rows.push(Row { line, cells });
        }
    }
    // An unclosed quotation mark swallows the rest of the file.
    let odd = text.matches('"').count() % 2 == 1;
    match rows.last() {
        Some(last) if odd && last.cells.last().is_some_and(|cell| cell.contains('\n')) => {
            Err(TableError::OpenQuote { path: path.to_owned(), line: last.line })
        }
        _ => Ok(rows),
    }
}

/// The form in which column names are compared.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

fn listed(columns: &[String]) -> String {
    columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ")
}

/// The end of the message about a missing column.
fn apart(separator: char, columns: &[String]) -> String {
    match columns {
        [_] => ". Columns are separated by comma, semicolon or tab".to_owned(),
        _ => format!(", separated by the {}", named(separator)),
    }
}

fn named(separator: char) -> &'static str {
    match separator {
        ';' => "semicolon",
        '\t' => "tab",
        ',' => "comma",
        _ => "separator",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIST: &str = "folder,name,employee_id,groups\r\na01,Jörg Weiß,0017,staff\r\na02,\"O'Hara, Pat \"\"Paddy\"\"\",0018,staff\r\n";

    fn parse(bytes: &[u8]) -> Result<Table, TableError> {
        Table::parse(Path::new("list.csv"), bytes)
    }

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    /// Line, folder, name, employee id and groups of each row.
    fn read(bytes: &[u8]) -> Vec<(usize, String)> {
        let table = parse(bytes).unwrap();
        let columns = ["folder", "name", "employee_id", "groups"].map(|name| table.require_column(name).unwrap());
        table.rows().iter().map(|row| (row.line, columns.map(|column| row.get(column)).join("|"))).collect()
    }

    fn wanted() -> Vec<(usize, String)> {
        vec![(2, "a01|Jörg Weiß|0017|staff".into()), (3, "a02|O'Hara, Pat \"Paddy\"|0018|staff".into())]
    }

    #[test]
    fn encodings_separators_and_line_endings_do_not_matter() {
        let semicolons = LIST.replace("O'Hara, Pat", "O'Hara@ Pat").replace(',', ";").replace('@', ",");
        let tabs = semicolons.replace(';', "\t");
        let (windows, ..) = encoding_rs::WINDOWS_1252.encode(LIST);
        let cases = [
            LIST.as_bytes().to_vec(),
            LIST.replace("\r\n", "\n").into_bytes(),
            LIST.replace("\r\n", "\r").into_bytes(),
            format!("\u{FEFF}{semicolons}").into_bytes(),
            tabs.clone().into_bytes(),
            utf16(&format!("\u{FEFF}{tabs}"), false),
            utf16(&format!("\u{FEFF}{tabs}"), true),
            utf16(&tabs, false),
            utf16(&tabs, true),
            windows.to_vec(),
        ];
        for (index, bytes) in cases.iter().enumerate() {
            assert_eq!(read(bytes), wanted(), "case {index}");
        }
        let hinted = read(format!("sep=;\r\n{semicolons}").as_bytes());
        assert_eq!(hinted, wanted().into_iter().map(|(line, row)| (line + 1, row)).collect::<Vec<_>>());
        assert!(parse(LIST.as_bytes()).unwrap().notes.is_empty());
        let note = parse(&windows).unwrap().notes.remove(0);
        assert!(note.contains("list.csv") && note.contains("Windows-1252") && note.contains("line 2"), "{note}");
    }

    #[test]
    fn extra_columns_empty_rows_and_other_spellings_do_not_matter() {
        let text = "\n Folder ,NAME,Employee ID,groups,department,,\n\na01,Jörg Weiß,0017,staff,R&D,,\n,,,\n , \na02,\"O'Hara, Pat \"\"Paddy\"\"\",0018,staff\n,,,\n\n";
        let lines: Vec<_> = wanted().into_iter().zip([4, 7]).map(|((_, row), line)| (line, row)).collect();
        assert_eq!(read(text.as_bytes()), lines);
        let short = parse(b"folder,name\na01\n").unwrap();
        assert_eq!(short.rows()[0].get_non_empty(short.column("name").unwrap()), None);
        assert_eq!(short.column("groups").unwrap(), None);
    }

    #[test]
    fn errors_name_line_and_column_as_in_the_file() {
        let said = |text: &str| match parse(text.as_bytes()) {
            Ok(table) => table.require_column("folder").unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(
            said("Ordner;Name\n1;2\n").contains(
                "no column \"folder\": the first line names \"Ordner\", \"Name\", separated by the semicolon"
            )
        );
        assert!(said("Ordner|Name\n").contains("separated by comma, semicolon or tab"));
        assert!(said("folder,Folder\nx,y").contains("there are two columns \"folder\""));
        assert!(
            said("folder,name\n\na,b,c\n").contains("line 3: there are 3 cells"),
            "{}",
            said("folder,name\n\na,b,c\n")
        );
        assert!(said("folder,name\na,\"b\nc,d\ne,f\n").contains("line 2: a quotation mark"));
        assert!(said("").contains("is empty") && said("\n,,\n").contains("is empty"));
        assert!(said("PK\u{3}\u{4}\u{14}").contains("workbook"));
        let table = parse(b"folder,Employee ID\na,\"x\ny\"\n\nb,2\n").unwrap();
        let column = table.require_column("employee_id").unwrap();
        assert_eq!(
            table.cell_error(&table.rows()[1], column, "bad").to_string(),
            "list.csv, line 5, column \"Employee ID\": bad"
        );
        assert!(parse(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1").unwrap_err().to_string().contains("Excel"));
        assert!(parse(b"\0\x01\x02").is_err());
        assert!(Table::read(Path::new("/nowhere/list.csv")).unwrap_err().to_string().contains("/nowhere/list.csv"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_list_or_an_error(bytes in prop::collection::vec(prop_oneof![
            Just(b','), Just(b'"'), Just(b'\n'), Just(b';'), any::<u8>()], 0..80)) {
            if let Ok(table) = parse(&bytes) {
                for row in table.rows() {
                    prop_assert!(row.filled().count() > 0 && row.line > 0);
                }
            }
        }
    }
}
