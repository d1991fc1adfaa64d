//! Who may pass by the rules of a site: checked at the office before they are signed, and again at each board before its doors go by them.

use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;

use super::belonging::Belonging;
use super::disk::Disk;
use crate::api::ruling::{RulesOrigin, SiteRulesForm};
use crate::config::{Config, SiteText};
use crate::fleet::{AccessText, MAX_ACCESS, SiteAccess, SiteRules};
use crate::setup::{house, presentation};
use crate::store::Store;

/// The longest reason that is kept and reported, in characters.
const LONGEST_TROUBLE: usize = 600;

/// What a board goes by.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The board's configuration, under the rules of the site if there are any.
    pub config: Config,
    pub origin: RulesOrigin,
}

impl InForce {
    /// The board's own configuration alone.
    pub fn own(config: &Config) -> InForce {
        InForce { config: config.clone(), origin: RulesOrigin::default() }
    }

    /// The version of the site's rules in force; 0 where the board goes by its own.
    pub fn version(&self) -> u64 {
        self.origin.site.as_ref().map_or(0, |site| site.version)
    }

    fn in_trouble(self, trouble: &anyhow::Error) -> InForce {
        let trouble: String = format!("{trouble:#}").chars().take(LONGEST_TROUBLE).collect();
        InForce { origin: RulesOrigin { trouble: Some(trouble), ..self.origin }, ..self }
    }
}

/// Checks rules of a site as far as that is possible without its boards. Returns them as a configuration. `source` is what to call them in messages.
///
/// # Errors
/// They are too long, or wrong; every problem, with its line.
pub fn check(source: &str, access: &SiteAccess) -> Result<Option<Config>> {
    let length = access.length();
    if length > MAX_ACCESS {
        bail!(
            "the rules with their lists of holidays have {length} bytes, and at most {MAX_ACCESS} are taken: shorten them"
        );
    }
    let Some(AccessText { text, holidays }) = &access.rules else { return Ok(None) };
    let config = Config::of_site(&SiteText { source, text, holidays })?;
    // Lists of holidays and time zones.
    house::rules(&config)?;
    Ok(Some(config))
}

/// A board's configuration under the rules of its site.
///
/// # Errors
/// Why the board cannot go by them, and what to do.
pub fn under(own: &Config, rules: &SiteRules) -> Result<InForce> {
    let Some(SiteAccess { version, by, since_ms, rules: Some(AccessText { text, holidays }) }) = &rules.access else {
        return Ok(InForce::own(own));
    };
    let since = i64::try_from(*since_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    let form = SiteRulesForm {
        site: rules.site.to_string(),
        version: *version,
        by: by.clone(),
        since: since.to_string(),
        text: text.clone(),
        holidays: holidays.clone(),
    };
    let config = own.with_site(&SiteText { source: &form.source(), text, holidays })?;
    for camera in &config.cameras {
        if presentation::asks_passive(&config, camera) && !presentation::asks_passive(own, camera) {
            bail!(
                "they ask for \"passive\" at door {}, and the networks for that do not run at camera {}: set [liveness] passive = \"log\" at this board, \
                 and restart usher",
                camera.door,
                camera.name
            );
        }
    }
    house::rules(&config)?;
    Ok(InForce { config, origin: RulesOrigin { site: Some(form), trouble: None } })
}

/// What a board goes by at its start, before any server answers: the newest rules that it has, else those that it went by before. Where it has rules and
/// cannot go by any, nobody passes by face, PIN or tag: its own permits may let in whom the site does not. A membership that cannot be read changes nothing of
/// that.
///
/// # Errors
/// The store cannot be read.
pub fn in_force_at_start(own: &Config, store: &Store) -> Result<InForce> {
    if !own.fleet.enabled {
        return Ok(InForce::own(own));
    }
    let disk = Disk::open(store).context("the rules of the fleet cannot be read")?;
    let known = Belonging::read(&own.fleet.membership, &disk).known;
    let (newest, before) = match &known {
        Some(known) => (disk.rules(&known.office, known.fleet), disk.access(&known.office, known.fleet)),
        None => (None, None),
    };
    if newest.is_none() && before.is_none() && disk.has_rules(known.as_ref()) {
        let source = "the rules of the site, which this board cannot read";
        let closed = InForce { config: own.closed(source), origin: RulesOrigin::default() };
        let trouble = anyhow!(
            "the rules of the site that are on the disk cannot be read: they are damaged or of a newer usher, or nobody knows whose they are. They come again from \
             the fleet's servers; where the membership cannot be read, let the board join again"
        );
        return Ok(closed.in_trouble(&trouble));
    }
    Ok(usable_of(own, newest.as_ref(), before.as_ref()))
}

fn usable_of(own: &Config, newest: Option<&SiteRules>, before: Option<&SiteRules>) -> InForce {
    let Some(newest) = newest.or(before) else { return InForce::own(own) };
    let trouble = match under(own, newest) {
        Ok(in_force) => return in_force,
        Err(trouble) => trouble,
    };
    let before = before.filter(|before| before.version != newest.version).map(|before| under(own, before));
    let in_force = match before {
        Some(Ok(in_force)) => in_force,
        Some(Err(_)) | None => {
            let source = format!("the rules of {}, which this board cannot use", newest.site);
            InForce { config: own.closed(&source), origin: RulesOrigin::default() }
        }
    };
    in_force.in_trouble(&trouble)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Assurance;

    const BOARD: &str = "[[door]]\nname = \"front\"\nmax_hold = \"12h\"\nunlock_schedule = \"office\"\n[[door]]\nname = \"yard\"\n\
        [[camera]]\nname = \"porch\"\nkind = \"v4l2\"\ndoor = \"front\"\n\
        [[schedule]]\nname = \"office\"\nhours = [\"mon-fri 09:00-10:00\"]\n[[schedule]]\nname = \"unused\"\nhours = [\"daily 00:00-24:00\"]\n\
        [[permit]]\ngroups = [\"neighbours\"]\n";
    const SITE: &str = "[[schedule]]\nname = \"office\"\nhours = [\"mon-fri 08:00-18:00\"]\nholidays = \"days.txt\"\n\
        [[permit]]\ndoors = [\"front\", \"elsewhere\"]\ngroups = [\"staff\"]\nschedule = \"office\"\n\
        [[permit]]\ndoors = [\"elsewhere\"]\ngroups = [\"guards\"]\n\
        [[door]]\nname = \"yard\"\nassurance = \"challenge\"\n[[door]]\nname = \"elsewhere\"\nassurance = \"face+tag\"\n";

    const PARTS: [&str; 12] = [
        "[[permit]]",
        "[[schedule]]",
        "[[door]]",
        "[door]",
        "name = \"front\"",
        "name = \"office\"",
        "hours = [\"mon-fri 08:00-18:00\"]",
        "schedule = \"office\"",
        "assurance = [\"face+pin\", \"recognised\"]",
        "holidays = \"days.txt\"",
        "doors = [\"front\", \"yard\"]",
        "permit = []",
    ];

    fn board() -> Config {
        Config::from_toml(BOARD).unwrap()
    }

    fn access(text: &str) -> SiteAccess {
        let holidays = BTreeMap::from([("days.txt".to_owned(), "2026-12-25 Christmas\n".to_owned())]);
        let rules = Some(AccessText { text: text.to_owned(), holidays });
        SiteAccess { version: 7, by: "anna".into(), since_ms: 0, rules }
    }

    fn rules(version: u64, text: &str) -> SiteRules {
        let (site, resend) = ("berlin".parse().unwrap(), BTreeMap::new());
        SiteRules {
            site,
            version,
            lockdown: None,
            lockdown_ended_by: None,
            since_ms: 0,
            resend,
            access: Some(access(text)),
            models: None,
        }
    }

    #[test]
    fn a_site_s_schedules_and_permits_replace_a_board_s() {
        assert!(check("rules.toml", &access(SITE)).unwrap().is_some());
        let in_force = under(&board(), &rules(9, SITE)).unwrap();
        assert_eq!(in_force.version(), 7, "that in which they were pushed");
        let house = house::rules(&in_force.config).unwrap();
        assert_eq!(house.source.as_deref(), Some("rules 7 of berlin"));
        let permits = |door: usize| house.doors[door].permits.as_ref().unwrap();
        assert_eq!((permits(0).len(), permits(0)[0].groups.as_slice()), (1, &["staff".to_owned()][..]));
        assert!(permits(1).is_empty(), "no permit covers the yard: nobody passes there");
        let of_permit = &house.schedules[permits(0)[0].schedule.unwrap().0];
        assert_eq!((of_permit.name.as_str(), of_permit.week[0][0].from_min), ("office", 480));
        assert_eq!(of_permit.holidays.name(date(2026, 12, 25)), Some("Christmas"));
        // The hours in which a door stands unlocked are the board's, whatever the site calls its own.
        let of_door = &house.schedules[house.doors[0].unlock_hours.unwrap().0];
        assert_eq!((of_door.name.as_str(), of_door.week[0][0].from_min), ("office-here", 540));
        assert_eq!(house.schedules.len(), 2, "no door stands unlocked by the other one");
        assert_eq!(house.doors[0].assurance, [Assurance::Recognised], "not named: its own");
        assert_eq!(house.doors[1].assurance, [Assurance::Challenge]);
    }

    #[test]
    fn what_a_board_cannot_use_it_says() {
        let cannot = |text: &str| format!("{:#}", under(&board(), &rules(7, text)).unwrap_err());
        let tag = cannot("[[permit]]\n[[door]]\nname = \"front\"\nassurance = \"face+tag\"\n");
        assert!(tag.contains("rules 7 of berlin:4: door[0].assurance") && tag.contains("no reader for tags"), "{tag}");
        let tag = cannot("[[permit]]\ndoors = [\"front\"]\nassurance = \"face+tag\"\n");
        assert!(tag.contains("rules 7 of berlin:3: permit[0].assurance"), "{tag}");
        // At a door of another board it is that board's affair.
        assert!(under(&board(), &rules(7, "[[permit]]\ndoors = [\"elsewhere\"]\nassurance = \"face+tag\"\n")).is_ok());
        let passive = cannot("[[permit]]\n[[door]]\nname = \"front\"\nassurance = \"passive\"\n");
        assert!(passive.contains("passive = \"log\"") && passive.contains("restart"), "{passive}");
        let zone = cannot(
            "[[permit]]\n[[schedule]]\nname = \"a\"\nhours = [\"mon 08:00-09:00\"]\ntime_zone = \"Mars/Olympus\"\n",
        );
        assert!(zone.contains("time zone") && zone.contains("rules 7 of berlin:5"), "{zone}");
        let list =
            cannot("[[permit]]\n[[schedule]]\nname = \"a\"\nhours = [\"mon 08:00-09:00\"]\nholidays = \"other.txt\"\n");
        assert!(list.contains("did not come with the rules"), "{list}");
    }

    #[test]
    fn the_office_refuses_what_no_board_could_use() {
        let refused = |text: &str| format!("{:#}", check("rules.toml", &access(text)).unwrap_err());
        for (text, why) in [
            ("[[door]]\nname = \"front\"\n", "there is no [[permit]]"),
            (
                "[[permit]]\nschedule = \"nights\"\n",
                "rules.toml:2: permit[0].schedule: there is no schedule \"nights\"",
            ),
            (
                "[[permit]]\n[[door]]\nname = \"a\"\npulse = \"3s\"\n",
                "rules.toml:4: door[0].pulse: a site's rules hold",
            ),
            ("[[permit]]\n[access]\nmargin = 0.1\n", "rules.toml:2: access: a site's rules hold"),
            ("[[permit]]\n[[door]]\nassurance = \"recognised\"\n", "name is missing"),
            (
                "[[permit]]\n[[door]]\nname = \"a\"\n[[door]]\nname = \"a\"\n",
                "rules.toml:5: door[1].name: door \"a\" is named",
            ),
            ("[[permit]]\ngroup = [\"staff\"]\n", "unknown key; did you mean groups?"),
            ("[[permit]]\nassurance = \"wave\"\n", "rules.toml:2: permit[0].assurance: must be"),
            ("[[permit\n", "not valid TOML"),
        ] {
            assert!(refused(text).contains(why), "{text}: {}", refused(text));
        }
        let bad = AccessText { text: SITE.into(), holidays: BTreeMap::from([("days.txt".into(), "25.12.\n".into())]) };
        let bad = check("rules.toml", &SiteAccess { rules: Some(bad), ..access("") }).unwrap_err();
        assert!(format!("{bad:#}").contains("days.txt:1: `25.12.` is not a date"), "{bad:#}");
        let long = refused(&format!("[[permit]]\n# {}\n", "x".repeat(MAX_ACCESS)));
        assert!(long.contains("at most 131072"), "{long}");
        assert!(check("rules.toml", &SiteAccess { rules: None, ..access("") }).unwrap().is_none());
    }

    proptest! {
        #[test]
        fn no_text_of_rules_panics(parts in prop::collection::vec(0..PARTS.len(), 0..8), any in "\\PC{0,40}", at in 0..9usize) {
            let mut lines: Vec<&str> = parts.iter().map(|part| PARTS[*part]).collect();
            lines.insert(at.min(lines.len()), &any);
            let text = lines.join("\n");
            // What no office signs no board takes.
            let signed = check("rules", &access(&text)).is_ok();
            prop_assert!(signed || under(&board(), &rules(7, &text)).is_err(), "{text}");
        }
    }

    #[test]
    fn a_board_that_can_use_no_rules_of_its_site_lets_nobody_in() {
        let unusable = "[[permit]]\nassurance = \"face+tag\"\n";
        let own = board();
        assert_eq!(usable_of(&own, None, None).origin, RulesOrigin::default());
        let good = usable_of(&own, Some(&rules(7, SITE)), Some(&rules(7, SITE)));
        assert_eq!((good.version(), good.origin.trouble), (7, None));
        // The last good ones stay.
        let last = usable_of(&own, Some(&rules(8, unusable)), Some(&rules(7, SITE)));
        assert!(last.version() == 7 && last.origin.trouble.unwrap().contains("no reader for tags"));
        // The configuration of the board was changed, so that even those do not fit.
        let none = usable_of(&own, Some(&rules(8, unusable)), Some(&rules(8, unusable)));
        let house = house::rules(&none.config).unwrap();
        assert!(house.doors.iter().all(|door| door.permits.as_ref().is_some_and(Vec::is_empty)));
        assert!(none.origin.trouble.is_some() && house.source.unwrap().contains("cannot use"));
        let cleared = SiteRules { access: Some(SiteAccess { rules: None, ..access("") }), ..rules(9, "") };
        let own_again = usable_of(&own, Some(&cleared), Some(&rules(7, SITE)));
        assert!(own_again.version() == 0 && own_again.config.site_source().is_none());
    }
}
