//! The database of a copy. Each part of the records is one transaction with the place up to which was read.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, Connection, NoTls, Transaction};
use tokio_postgres_rustls::MakeRustlsConnect;
use uuid::Uuid;

use super::row::Row;
use super::schema::{self, SchemaName};
use crate::fleet::FleetId;
use crate::hub::TlsSettings;
use crate::office::fleet::FeedPlace;
use crate::office::fleet::protocol::{Changes, OfficeStatus, PersonRow};

/// How long connecting may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);

/// A database that a copy is kept in.
pub struct Database {
    client: Client,
    schema: SchemaName,
}

/// What became of a part.
#[derive(Debug, PartialEq, Eq)]
pub enum Copied {
    /// So many records were written.
    Records(u64),
    /// Nothing was written: another run has gone on from that place.
    ElsewhereMeanwhile,
}

impl Database {
    /// Connects, and makes the tables where they are missing.
    ///
    /// # Errors
    /// The address is wrong, the server cannot be reached or refuses, or the tables are not this version's.
    pub async fn open(address: &str, ca_file: Option<&Path>, schema: SchemaName) -> Result<Database> {
        // The parser's error does not repeat the address, which may hold a password.
        let mut config: Config = address
            .parse()
            .context("--postgres is not an address of a database, as in postgres://user@host/database")?;
        config.application_name("usher").connect_timeout(CONNECT_WITHIN);
        if config.get_password().is_none()
            && let Ok(password) = std::env::var("PGPASSWORD")
        {
            config.password(password);
        }
        let client = match needs_tls(&config) {
            false => {
                config.ssl_mode(SslMode::Disable);
                drive(config.connect(NoTls).await.map_err(|error| in_words(&error))?)
            }
            true => {
                config.ssl_mode(SslMode::Require);
                let settings = TlsSettings { ca_file: ca_file.map(Path::to_owned), client: None };
                let tls = ClientConfig::clone(&*settings.load()?);
                drive(config.connect(MakeRustlsConnect::new(tls)).await.map_err(|error| in_words(&error))?)
            }
        };
        let database = Database { client, schema };
        database.prepare().await?;
        Ok(database)
    }

    async fn prepare(&self) -> Result<()> {
        let schema = &self.schema;
        let table = format!("{schema}.export");
        let found = self.client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&table]).await?;
        if !found.get::<_, bool>(0) {
            // All or nothing. Of two first runs at once, one fails and is repeated by the operator.
            let all = format!("BEGIN;\n{};\nCOMMIT", schema::statements(schema));
            return self.client.batch_execute(&all).await.map_err(|error| in_words(&error)).with_context(|| {
                format!(
                    "the schema {schema} cannot be made; let its owner make it, or let this user make schemas (GRANT CREATE ON DATABASE), or name another \
                     one with --schema"
                )
            });
        }
        let row = self.client.query_opt(&format!("SELECT version FROM {table}"), &[]).await?;
        match row.map(|row| row.get::<_, i32>(0)) {
            None | Some(schema::VERSION) => Ok(()),
            Some(other) => bail!(
                "the tables in {schema} are of version {other}, and this usher writes version {}: update usher, or name another schema with --schema",
                schema::VERSION
            ),
        }
    }

    /// Up to where the records were copied; `None` before the first time.
    pub async fn place(&self) -> Result<Option<FeedPlace>> {
        let select = format!("SELECT change_number, change_run FROM {}.export", self.schema);
        let row = self.client.query_opt(&select, &[]).await?;
        Ok(row.and_then(|row| {
            let (number, run): (i64, Option<Uuid>) = (row.get(0), row.get(1));
            Some(FeedPlace { number: number.try_into().ok()?, run: run? })
        }))
    }

    /// Writes a part, which was read after the place `after`.
    ///
    /// # Errors
    /// The server refuses or is gone: nothing of the part is written then. Or the tables hold another fleet's records.
    pub async fn keep(&mut self, fleet: FleetId, after: Option<FeedPlace>, changes: &Changes) -> Result<Copied> {
        let schema = self.schema.clone();
        let transaction = self.client.transaction().await?;
        let begin = format!(
            "INSERT INTO {schema}.export (version, fleet, change_number, at) VALUES ($1, $2, 0, now()) ON CONFLICT DO NOTHING"
        );
        transaction.execute(&begin, &[&schema::VERSION, &fleet.0]).await?;
        // Held to the end: of two runs at once, one waits for the other here.
        let held = format!("SELECT fleet, change_number, change_run FROM {schema}.export FOR UPDATE");
        let row = transaction.query_one(&held, &[]).await?;
        if row.get::<_, Uuid>(0) != fleet.0 {
            bail!("the tables in {schema} hold the records of another fleet: name another schema with --schema");
        }
        let is_here = |place: FeedPlace| (number(place.number), Some(place.run)) == (row.get(1), row.get(2));
        let nowhere = row.get::<_, Option<Uuid>>(2).is_none();
        if !after.map_or(nowhere, is_here) {
            return Ok(Copied::ElsewhereMeanwhile);
        }
        let rows: Vec<Row> = changes.records.iter().filter_map(Row::of).collect();
        write(&transaction, &schema, &rows).await?;
        let moved = format!("UPDATE {schema}.export SET change_number = $1, change_run = $2, at = now()");
        transaction.execute(&moved, &[&number(changes.place.number), &changes.place.run]).await?;
        transaction.commit().await?;
        Ok(Copied::Records(rows.len() as u64))
    }

    /// Writes who is enrolled and which boards there are, in the place of what was there.
    ///
    /// # Errors
    /// The server refuses or is gone: nothing is changed then.
    pub async fn replace(&mut self, status: &OfficeStatus, people: &[(String, PersonRow)]) -> Result<()> {
        let schema = self.schema.clone();
        let transaction = self.client.transaction().await?;
        // Held to the end, as above. Reports that run meanwhile see all of the old list or all of the new one.
        transaction.execute(&format!("SELECT FROM {schema}.export FOR UPDATE"), &[]).await?;
        transaction.execute(&format!("DELETE FROM {schema}.people"), &[]).await?;
        let insert = format!(
            "INSERT INTO {schema}.people (uuid, site, name, employee_id, groups, templates) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"
        );
        let insert = transaction.prepare(&insert).await?;
        for (site, person) in people {
            let uuid: Uuid = person.uuid.parse().context("the office names a person without a uuid")?;
            let templates = i32::try_from(person.templates).unwrap_or(i32::MAX);
            transaction
                .execute(&insert, &[&uuid, site, &person.name, &person.employee_id, &person.groups, &templates])
                .await?;
        }
        transaction.execute(&format!("DELETE FROM {schema}.boards"), &[]).await?;
        let insert = format!(
            "INSERT INTO {schema}.boards (board, site, revoked, version, model, up_to_date, collected) VALUES ($1, $2, $3, $4, $5, $6, $7)"
        );
        let insert = transaction.prepare(&insert).await?;
        for board in &status.boards {
            // What a board says of itself may hold anything.
            let said = |text: &str| text.replace('\0', "\u{fffd}");
            let (version, model) = board.said.as_ref().map(|it| (said(&it.version), said(&it.model))).unzip();
            transaction
                .execute(
                    &insert,
                    &[
                        &board.board,
                        &board.site,
                        &board.revoked,
                        &version,
                        &model,
                        &board.whole,
                        &number(board.collected),
                    ],
                )
                .await?;
        }
        Ok(transaction.commit().await?)
    }
}

/// Writes rows, over those of the same records.
async fn write(transaction: &Transaction<'_>, schema: &SchemaName, rows: &[Row]) -> Result<()> {
    let insert = format!(
        "INSERT INTO {schema}.records (board, seq, id, site, at, synchronised, kind, door, person, employee_id, direction, reason, actor, erased, content, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         ON CONFLICT (board, seq, id) DO UPDATE SET (site, at, synchronised, kind, door, person, employee_id, direction, reason, actor, erased, content, hash) =
         (EXCLUDED.site, EXCLUDED.at, EXCLUDED.synchronised, EXCLUDED.kind, EXCLUDED.door, EXCLUDED.person, EXCLUDED.employee_id, EXCLUDED.direction,
          EXCLUDED.reason, EXCLUDED.actor, EXCLUDED.erased, EXCLUDED.content, EXCLUDED.hash)"
    );
    let insert = transaction.prepare(&insert).await?;
    // Sent one after the other without waiting for each answer.
    let all = rows.iter().map(|row| {
        let insert = insert.clone();
        async move {
            let Row { board, seq, id, site, at, synchronised, kind, door, person, employee_id, .. } = row;
            let Row { direction, reason, actor, erased, content, hash, .. } = row;
            transaction
                .execute(
                    &insert,
                    &[
                        board,
                        seq,
                        id,
                        site,
                        at,
                        synchronised,
                        kind,
                        door,
                        person,
                        employee_id,
                        direction,
                        reason,
                        actor,
                        erased,
                        content,
                        hash,
                    ],
                )
                .await
        }
    });
    futures_util::future::try_join_all(all).await?;
    Ok(())
}

/// A number of PostgreSQL. The store never gets beyond it.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Lets a connection work while the client is used.
fn drive<S, T>((client, connection): (Client, Connection<S, T>)) -> Client
where
    Connection<S, T>: Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    // How it ends is said by the next query.
    tokio::spawn(async move { drop(connection.await) });
    client
}

/// Whether the connection must be encrypted: to other machines, unless the address says `sslmode=disable`.
fn needs_tls(config: &Config) -> bool {
    let is_here = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
    };
    let named_here = config.get_hosts().iter().all(is_here);
    let addressed_here = config.get_hostaddrs().iter().all(IpAddr::is_loopback);
    match config.get_ssl_mode() {
        SslMode::Disable => false,
        SslMode::Prefer => !(named_here && addressed_here),
        _ => true,
    }
}

/// What the server or the network said: the error's own text leaves it out.
fn in_words(error: &tokio_postgres::Error) -> anyhow::Error {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    anyhow!("the database cannot be used: {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_to_other_machines_are_encrypted() {
        for (address, encrypted) in [
            ("postgres://usher@localhost/reports", false),
            ("postgres://usher@127.0.0.1:5433/reports", false),
            ("postgres://usher@[::1]/reports", false),
            ("host=/run/postgresql user=usher", false),
            ("postgres://usher@localhost/reports?sslmode=require", true),
            ("postgres://usher@db.example.org/reports", true),
            ("postgres://usher@localhost,db.example.org/reports", true),
            ("host=localhost hostaddr=192.0.2.1 user=usher", true),
            ("postgres://usher@db.example.org/reports?sslmode=disable", false),
        ] {
            assert_eq!(needs_tls(&address.parse().unwrap()), encrypted, "{address}");
        }
    }
}
