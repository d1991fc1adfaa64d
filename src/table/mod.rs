//! Lists that people make with spreadsheets, as rows of named columns.
//!
//! - `text`: bytes to text, whatever program wrote them
//! - here: text to rows, whatever separates the columns
//!
//! The first row names the columns. Their names are compared without regard to case, and to spaces, hyphens and underscores. Columns that
//! nobody asks for, empty rows and empty cells at the end do no harm. Each error names the line and the column as the list has them. Knows
//! nothing of what a list says.

mod text;

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Separators that are recognised, the likeliest first.
const SEPARATORS: [char; 3] = [',', ';', '\t'];

/// A list that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    path: PathBuf,
    /// As the first row has them.
    columns: Vec<String>,
    rows: Vec<Row>,
    separator: char,
    /// What the reader assumed, for the user.
    pub notes: Vec<String>,
}

/// A row that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line of the file on which it begins, from 1.
    pub line: usize,
    cells: Vec<String>,
}

/// A column that a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column(usize);

/// Why a list cannot be used.
#[derive(Debug, Error)]
pub enum TableError {
    #[error("{} cannot be read: {why}", path.display())]
    Unreadable { path: PathBuf, why: std::io::Error },
    #[error("{}: {what}; save the list as CSV (UTF-8)", path.display())]
    NoText { path: PathBuf, what: String },
    #[error("{} is empty: its first line names the columns", path.display())]
    Empty { path: PathBuf },
    #[error("{}, line 1: there is no column \"{column}\": the first line names {}{}", path.display(), listed(found), apart(*separator, found))]
    NoColumn { path: PathBuf, column: String, found: Vec<String>, separator: char },
    #[error("{}, line 1: the column \"{column}\" is there twice", path.display())]
    Twice { path: PathBuf, column: String },
    #[error(
        "{}, line {line}: there are {cells} cells, and the first line names {columns} columns: put a cell that holds the {} \
         in quotation marks", path.display(), named(*separator)
    )]
    TooLong { path: PathBuf, line: usize, cells: usize, columns: usize, separator: char },
    #[error("{}, line {line}: a quotation mark is opened here and never closed", path.display())]
    OpenQuote { path: PathBuf, line: usize },
    #[error("{}, line {line}, column \"{column}\": {why}", path.display())]
    Cell { path: PathBuf, line: usize, column: String, why: String },
    #[error("{}, line {line}: {why}", path.display())]
    Line { path: PathBuf, line: usize, why: String },
}

/// The text of the file at `path`, with LF at the end of each line, and what was assumed of its encoding.
pub fn read_text(path: &Path) -> Result<(String, Option<String>), TableError> {
    let bytes = std::fs::read(path).map_err(|why| TableError::Unreadable { path: path.to_owned(), why })?;
    let decoded = text::decode(&bytes).map_err(|what| TableError::NoText { path: path.to_owned(), what })?;
    Ok((decoded.text, decoded.note.map(|note| format!("{}: {note}", path.display()))))
}

impl Table {
    /// Reads the list at `path`: comma, semicolon or tab between columns; UTF-8 with or without a byte order mark, UTF-16, or else
    /// Windows-1252, which a note then says.
    pub fn read(path: &Path) -> Result<Table, TableError> {
        let bytes = std::fs::read(path).map_err(|why| TableError::Unreadable { path: path.to_owned(), why })?;
        Table::parse(path, &bytes)
    }

    /// As [`read`](Table::read), of the bytes of the file that is called `path`.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Table, TableError> {
        let decoded = text::decode(bytes).map_err(|what| TableError::NoText { path: path.to_owned(), what })?;
        let notes = decoded.note.map(|note| format!("{}: {note}", path.display())).into_iter().collect();
        let (text, skipped, said) = after_hint(&decoded.text);
        let separator = said.unwrap_or_else(|| separator(text));
        let mut rows = rows(path, text, separator)?;
        rows.iter_mut().for_each(|row| row.line += skipped);
        if rows.is_empty() {
            return Err(TableError::Empty { path: path.to_owned() });
        }
        let mut columns = rows.remove(0).cells;
        // Spreadsheets leave empty columns at the right.
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

    /// The rows below the first that are not empty.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// What the first row names, as it is written.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The line of the first row, as a row: for lists whose first row names no columns.
    pub fn first_row(&self) -> Row {
        Row { line: 1, cells: self.columns.clone() }
    }

    /// The column of that name, if the list has it.
    ///
    /// # Errors
    /// It has it twice.
    pub fn column(&self, name: &str) -> Result<Option<Column>, TableError> {
        let wanted = plain(name);
        let mut found = (0..self.columns.len()).filter(|&at| self.columns.get(at).is_some_and(|c| plain(c) == wanted));
        let first = found.next();
        match found.next() {
            Some(_) => Err(TableError::Twice { path: self.path.clone(), column: name.to_owned() }),
            None => Ok(first.map(Column)),
        }
    }

    /// The column of that name.
    ///
    /// # Errors
    /// The list does not have it, or has it twice.
    pub fn need(&self, name: &str) -> Result<Column, TableError> {
        self.column(name)?.ok_or_else(|| TableError::NoColumn {
            path: self.path.clone(),
            column: name.to_owned(),
            found: self.columns.clone(),
            separator: self.separator,
        })
    }

    /// What the list names beside the columns `used`, for the user; nothing where there is nothing beside.
    pub fn unused(&self, used: &[&str]) -> Option<String> {
        let used: Vec<String> = used.iter().map(|name| plain(name)).collect();
        let others: Vec<String> =
            self.columns.iter().filter(|name| !name.is_empty() && !used.contains(&plain(name))).cloned().collect();
        let path = self.path.display();
        (!others.is_empty()).then(|| format!("{path}: not looked at: {}", listed(&others)))
    }

    /// What is wrong with the cell of that row and column.
    pub fn wrong(&self, row: &Row, column: Column, why: impl Into<String>) -> TableError {
        let name = self.columns.get(column.0).cloned().unwrap_or_default();
        TableError::Cell { path: self.path.clone(), line: row.line, column: name, why: why.into() }
    }

    /// What is wrong with that row.
    pub fn wrong_line(&self, row: &Row, why: impl Into<String>) -> TableError {
        TableError::Line { path: self.path.clone(), line: row.line, why: why.into() }
    }
}

impl Row {
    /// The cell of that column, without white space around it; empty where the row has none.
    pub fn get(&self, column: Column) -> &str {
        self.cells.get(column.0).map_or("", String::as_str)
    }

    /// As [`get`](Row::get); `None` where the list has no such column or the cell is empty.
    pub fn get_if_any(&self, column: Option<Column>) -> Option<&str> {
        column.map(|column| self.get(column)).filter(|cell| !cell.is_empty())
    }

    /// The cells that are not empty.
    pub fn filled(&self) -> impl Iterator<Item = &str> {
        self.cells.iter().map(String::as_str).filter(|cell| !cell.is_empty())
    }
}

/// The text behind Excel's line `sep=;`, the number of lines that this takes, and the separator that it names.
fn after_hint(text: &str) -> (&str, usize, Option<char>) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let named = first.trim_end_matches('\r').trim_matches('"').strip_prefix("sep=").map(|rest| rest.chars());
    match named.map(|mut rest| (rest.next(), rest.next())) {
        Some((Some(separator), None)) if separator.is_ascii() => (rest, 1, Some(separator)),
        _ => (text, 0, None),
    }
}

/// The separator that stands most often in the first row that is not empty, outside quotation marks.
fn separator(text: &str) -> char {
    let mut counts = [0usize; SEPARATORS.len()];
    let mut quoted = false;
    let mut seen = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '\n' if !quoted && seen => break,
            _ => {}
        }
        seen |= !c.is_whitespace();
        if let Some(at) = SEPARATORS.iter().position(|separator| *separator == c && !quoted) {
            counts[at] += 1;
        }
    }
    let mut best = 0;
    for at in 1..SEPARATORS.len() {
        if counts[at] > counts[best] {
            best = at;
        }
    }
    SEPARATORS[best]
}

/// The rows that are not empty, each cell trimmed. Lines end with LF in `text`.
fn rows(path: &Path, text: &str, separator: char) -> Result<Vec<Row>, TableError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(u8::try_from(separator).unwrap_or(b','))
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    let (mut line, mut counted) = (1, 0);
    for record in reader.records() {
        let record = record.map_err(|error| TableError::NoText { path: path.to_owned(), what: error.to_string() })?;
        // The reader's own line is that of the empty lines before the row.
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
    // A mark that is never closed swallows the rest of the file.
    let odd = text.matches('"').count() % 2 == 1;
    match rows.last() {
        Some(last) if odd && last.cells.last().is_some_and(|cell| cell.contains('\n')) => {
            Err(TableError::OpenQuote { path: path.to_owned(), line: last.line })
        }
        _ => Ok(rows),
    }
}

/// A column's name as names are compared.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

fn listed(columns: &[String]) -> String {
    columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ")
}

/// What to look at where only one column was found.
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
        let columns = ["folder", "name", "employee_id", "groups"].map(|name| table.need(name).unwrap());
        table.rows().iter().map(|row| (row.line, columns.map(|column| row.get(column)).join("|"))).collect()
    }

    fn wanted() -> Vec<(usize, String)> {
        vec![(2, "a01|Jörg Weiß|0017|staff".into()), (3, "a02|O'Hara, Pat \"Paddy\"|0018|staff".into())]
    }

    #[test]
    fn the_same_list_from_any_program_is_the_same() {
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
    fn further_columns_empty_rows_and_other_headings_do_no_harm() {
        let text = "\n Folder ,NAME,Employee ID,groups,department,,\n\na01,Jörg Weiß,0017,staff,R&D,,\n,,,\n , \na02,\"O'Hara, Pat \"\"Paddy\"\"\",0018,staff\n,,,\n\n";
        let lines: Vec<_> = wanted().into_iter().zip([4, 7]).map(|((_, row), line)| (line, row)).collect();
        assert_eq!(read(text.as_bytes()), lines);
        let short = parse(b"folder,name\na01\n").unwrap();
        assert_eq!(short.rows()[0].get_if_any(short.column("name").unwrap()), None);
        assert_eq!(short.column("groups").unwrap(), None);
    }

    #[test]
    fn errors_name_line_and_column_in_the_lists_words() {
        let said = |text: &str| match parse(text.as_bytes()) {
            Ok(table) => table.need("folder").unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(
            said("Ordner;Name\n1;2\n").contains(
                "no column \"folder\": the first line names \"Ordner\", \"Name\", separated by the semicolon"
            )
        );
        assert!(said("Ordner|Name\n").contains("separated by comma, semicolon or tab"));
        assert!(said("folder,Folder\nx,y").contains("\"folder\" is there twice"));
        assert!(
            said("folder,name\n\na,b,c\n").contains("line 3: there are 3 cells"),
            "{}",
            said("folder,name\n\na,b,c\n")
        );
        assert!(said("folder,name\na,\"b\nc,d\ne,f\n").contains("line 2: a quotation mark"));
        assert!(said("").contains("is empty") && said("\n,,\n").contains("is empty"));
        assert!(said("PK\u{3}\u{4}\u{14}").contains("workbook"));
        let table = parse(b"folder,Employee ID\na,\"x\ny\"\n\nb,2\n").unwrap();
        let column = table.need("employee_id").unwrap();
        assert_eq!(
            table.wrong(&table.rows()[1], column, "bad").to_string(),
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
