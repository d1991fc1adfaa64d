//! The tables of the copy. docs/fleet.md explains them to who writes reports.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, bail};

/// The version of the tables.
pub const VERSION: i32 = 1;

/// The name of a schema: letters, digits and `_`, at most 63 as PostgreSQL has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaName(String);

impl FromStr for SchemaName {
    type Err = Error;

    fn from_str(text: &str) -> Result<SchemaName, Error> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        // PostgreSQL keeps names with this beginning for itself.
        if !begins || !text.chars().all(plain) || text.len() > 63 || text.starts_with("pg_") {
            bail!("a schema's name has 1 to 63 of a to z, 0 to 9 and _, and begins with a letter, but not with pg_");
        }
        Ok(SchemaName(text.to_owned()))
    }
}

impl fmt::Display for SchemaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Quoted: a plain name may be a word of SQL.
        write!(f, "\"{}\"", self.0)
    }
}

/// The statements that make the tables.
pub fn statements(schema: &SchemaName) -> String {
    format!(
        r#"CREATE SCHEMA {schema};
CREATE TABLE {schema}.export (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version integer NOT NULL,
    fleet uuid NOT NULL,
    change_number bigint NOT NULL,
    change_run uuid,
    at timestamptz NOT NULL
);
COMMENT ON TABLE {schema}.export IS 'How far usher fleet export has copied';
CREATE TABLE {schema}.records (
    board text NOT NULL,
    seq bigint NOT NULL,
    id uuid NOT NULL,
    site text NOT NULL,
    at timestamptz,
    synchronised boolean,
    kind text NOT NULL,
    door text,
    person text,
    employee_id text,
    direction text,
    reason text,
    actor text,
    erased boolean NOT NULL,
    content jsonb NOT NULL,
    hash text NOT NULL,
    PRIMARY KEY (board, seq, id)
);
COMMENT ON TABLE {schema}.records IS 'The records of all boards';
COMMENT ON COLUMN {schema}.records.at IS 'What the wall clock of the board showed';
COMMENT ON COLUMN {schema}.records.synchronised IS 'Whether a time source kept that clock in step';
CREATE INDEX records_at ON {schema}.records (at);
CREATE TABLE {schema}.people (
    uuid uuid PRIMARY KEY,
    site text NOT NULL,
    name text NOT NULL,
    employee_id text,
    groups text[] NOT NULL,
    templates integer NOT NULL
);
COMMENT ON TABLE {schema}.people IS 'Who is enrolled';
CREATE TABLE {schema}.boards (
    board text PRIMARY KEY,
    site text NOT NULL,
    revoked boolean NOT NULL,
    version text,
    model text,
    up_to_date boolean NOT NULL,
    collected bigint NOT NULL
);
COMMENT ON COLUMN {schema}.boards.up_to_date IS 'Whether it holds the list of people';
COMMENT ON COLUMN {schema}.boards.collected IS 'The number of its newest record';
CREATE VIEW {schema}.passages AS
    SELECT site, board, door, at, direction, person, employee_id, kind, seq, id FROM {schema}.records
    WHERE kind IN ('granted', 'passed');
COMMENT ON VIEW {schema}.passages IS 'Grants, and people who passed at doors that see it'
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        assert_eq!("usher_2".parse::<SchemaName>().unwrap().to_string(), "\"usher_2\"");
        for bad in ["", "a\"b", "2a", "Usher", "pg_x", "a b", "a;", &"a".repeat(64)] {
            assert!(bad.parse::<SchemaName>().is_err(), "{bad}");
        }
    }
}
