//! The settings of the streams, and what servers say of a stream.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{MAX_PAYLOAD, Stream, StreamState};
use crate::fleet::mail::MAX_SAID;
use crate::fleet::{MAX_REQUEST, Site};

/// One mebibyte.
const MIB: u64 = 1024 * 1024;
/// How long records stay in the journal's stream, in nanoseconds: 90 days. The office has them in its own store long before.
const JOURNAL_AGE: u64 = 90 * 86_400 * 1_000_000_000;
/// How long requests stay in their stream, in nanoseconds: 30 days. A board sends again what was not answered.
const REQUESTS_AGE: u64 = 30 * 86_400 * 1_000_000_000;
/// Within which time a message with the same id is stored once, in nanoseconds: 5 minutes.
const DUPLICATES: u64 = 300 * 1_000_000_000;
/// The most records of one board in the journal's stream: more displace its own. Long ones fill the stream before, and displace those of other boards,
/// too; what the office had not collected, it asks those boards for.
const RECORDS_A_BOARD: u64 = 200_000;
/// Room for the headers of a message.
const HEADERS: usize = 4096;

/// How long a place stays in its stream, in nanoseconds. Boards go by `[access] passback_for`, which is rarely longer.
const PLACES_AGE: u64 = 7 * 86_400 * 1_000_000_000;

/// The settings of a stream, as a server wants them. Full streams of news refuse more of it rather than lose what they have; those of journals and
/// requests give up the oldest, which boards send again, and a place gives way that is older than all others.
pub(super) fn settings(stream: &Stream, replicas: usize, sites: &BTreeSet<Site>) -> Value {
    let (journal, places) = (*stream == Stream::Journal, matches!(stream, Stream::Places(_)));
    let (most_bytes, most_messages) = match stream {
        Stream::People(_) => (512 * MIB, 250_000),
        Stream::Journal => (2048 * MIB, 20_000_000),
        Stream::Keys => (64 * MIB, 100_000),
        Stream::Rules => (64 * MIB, 10_000),
        Stream::Heads | Stream::Boards => (64 * MIB, 20_000),
        Stream::Requests => (256 * MIB, 100_000),
        Stream::Answers => (256 * MIB, 10_000),
        // One message. Servers of a cluster count the next one before they take the last one away.
        Stream::Office | Stream::Revoked => (MIB, 16),
        // About 150 bytes a person. Servers set memory aside for all of it.
        Stream::Places(_) => (4 * MIB, 100_000),
    };
    let max_age = match stream {
        Stream::Journal => JOURNAL_AGE,
        Stream::Requests => REQUESTS_AGE,
        Stream::Places(_) => PLACES_AGE,
        _ => 0,
    };
    let longest = match stream {
        Stream::Journal => MAX_SAID,
        Stream::Requests => MAX_REQUEST,
        _ => MAX_PAYLOAD,
    };
    json!({
        "name": stream.name(),
        "subjects": stream.subjects(sites),
        "retention": "limits",
        "storage": if places { "memory" } else { "file" },
        "discard": if max_age > 0 { "old" } else { "new" },
        // Boards fill a lost stream of places again.
        "num_replicas": if places { 1 } else { replicas },
        "max_consumers": -1,
        "max_bytes": most_bytes,
        "max_msgs": most_messages,
        "max_msgs_per_subject": if journal { RECORDS_A_BOARD } else { 1 },
        "max_age": max_age,
        "max_msg_size": longest.saturating_add(HEADERS),
        "duplicate_window": DUPLICATES,
        "allow_direct": is_direct(stream),
        // A header of a message could otherwise delete all others.
        "allow_rollup_hdrs": false,
        "deny_delete": false,
        "deny_purge": false,
    })
}

/// Whether any server that has the stream may answer for the newest message of a subject, by a request that names the subject: it is what boards
/// may be allowed. The leader answers for the other streams.
pub(super) fn is_direct(stream: &Stream) -> bool {
    matches!(stream, Stream::Rules | Stream::Keys | Stream::Heads | Stream::Answers)
}

/// A server's words about a stream.
#[derive(Deserialize)]
pub(super) struct Info {
    created: Timestamp,
    state: Held,
}

#[derive(Deserialize)]
struct Held {
    messages: u64,
    first_seq: u64,
    last_seq: u64,
}

impl Info {
    pub(super) fn state(&self) -> StreamState {
        StreamState {
            birth: u64::try_from(self.created.as_nanosecond()).unwrap_or_default(),
            first: self.state.first_seq,
            last: self.state.last_seq,
            messages: self.state.messages,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_is_bounded_and_only_journals_requests_and_places_forget() {
        let places = Stream::Places("berlin".parse().unwrap());
        for stream in Stream::all(["berlin".parse().unwrap()]).into_iter().chain([places.clone()]) {
            let settings = settings(&stream, 3, &BTreeSet::new());
            for bound in ["max_bytes", "max_msgs", "max_msgs_per_subject", "max_msg_size"] {
                assert!(settings[bound].as_u64().unwrap() > 0, "{stream} {bound}");
            }
            let longest = settings["max_msg_size"].as_u64().unwrap();
            match stream {
                Stream::Journal => assert_eq!(longest, 68 * 1024),
                Stream::Requests => assert_eq!(longest, 404 * 1024),
                _ => assert_eq!(longest, 644 * 1024),
            }
            let forgets = settings["discard"] == "old" || settings["max_age"] != 0;
            assert_eq!(forgets, matches!(stream, Stream::Journal | Stream::Requests) || stream == places, "{stream}");
            assert_eq!(settings["storage"] == "memory", stream == places, "{stream}");
        }
    }

    #[test]
    fn with_leaves_the_boards_streams_name_each_site() {
        let sites = ["berlin", "rome"].map(|site| site.parse().unwrap()).into_iter().collect();
        let subjects = |stream: &Stream| settings(stream, 1, &sites)["subjects"].clone();
        assert_eq!(subjects(&Stream::Journal), json!(["usher.journal.berlin.*", "usher.journal.rome.*"]));
        assert_eq!(subjects(&Stream::Requests)[0], "usher.request.berlin.*.*.*");
        assert_eq!(subjects(&Stream::Rules), json!(["usher.rules.*"]));
    }

    #[test]
    fn a_streams_birth_has_nanoseconds() {
        let info: Info = serde_json::from_value(json!({
            "created": "2026-12-01T10:00:00.000000007Z",
            "state": { "messages": 2, "first_seq": 3, "last_seq": 9, "bytes": 5 },
        }))
        .unwrap();
        let state = info.state();
        assert_eq!((state.first, state.last, state.messages), (3, 9, 2));
        assert_eq!(state.birth % 1_000_000_000, 7);
    }
}
