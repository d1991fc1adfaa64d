//! Figures of a test of presentation attack detection (PAD), after ISO/IEC 30107-3: what became of each presentation, and the error rates that
//! follow, species by species.
//!
//! The standard's names: a presentation is *bona fide* (the person) or an *attack*; a *species* is one way of making attacks. APCER and BPCER are
//! the shares that are classified wrongly, APNRR and BPNRR the shares without a response, IAPAR the share of attacks at which the whole system
//! accepts. Errors are counted among the presentations with a response: one that never got so far as to be judged is no proof of anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::share::{CONFIDENCE, Share, clopper_pearson};

/// What was said of a presentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Response {
    /// Nothing was: the person was not recognised, it could not be judged, or the clip ended before.
    None,
    /// An attack: something that was asked for was not shown.
    Attack,
    /// Bona fide: everything that was asked for was shown.
    BonaFide,
}

/// One presentation with what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Presentation {
    /// `None` for a bona fide one.
    pub species: Option<String>,
    /// Whom it shows.
    pub subject: String,
    /// Its name for people, for instance the clip's path.
    pub clip: String,
    pub response: Response,
    /// Whether the door opened, for whomever.
    pub opened: bool,
    /// Whether it opened for somebody whom the presentation does not show.
    pub mistaken: bool,
    /// What caught it (a gate's name), or why there was no response; empty if it passed.
    pub by: String,
    /// What was measured of that, in words; may be empty.
    pub detail: String,
    /// From the first frame with a face to the opening.
    pub took: Option<Duration>,
    /// From the recognition to the opening.
    pub asked_for: Option<Duration>,
}

/// The figures of one species of attack.
#[derive(Clone, Debug, PartialEq)]
pub struct SpeciesFigures {
    pub species: String,
    pub presentations: u64,
    pub subjects: u64,
    /// Attacks that were classified as bona fide, of those with a response.
    pub apcer: Share,
    /// Attacks without a response, of all.
    pub apnrr: Share,
    /// Attacks at which the door opened, of all.
    pub iapar: Share,
    /// How many were caught by what, and how many had no response for what reason.
    pub caught: BTreeMap<String, u64>,
    pub unanswered: BTreeMap<String, u64>,
}

/// The figures of the bona fide presentations.
#[derive(Clone, Debug, PartialEq)]
pub struct BonaFideFigures {
    pub presentations: u64,
    pub subjects: u64,
    /// Those that were classified as attacks, of those with a response.
    pub bpcer: Share,
    /// Those without a response, of all.
    pub bpnrr: Share,
    /// Those at which the door opened, of all.
    pub opened: Share,
    /// Those at which it opened for somebody else.
    pub mistaken: u64,
    pub caught: BTreeMap<String, u64>,
    pub unanswered: BTreeMap<String, u64>,
    /// From the first frame with a face to the opening; `None` if it never opened.
    pub took: Option<Times>,
    /// From the recognition to the opening.
    pub asked_for: Option<Times>,
}

/// How long presentations took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub median: Duration,
    /// The shortest time that at least 95 % of them kept to.
    pub p95: Duration,
    pub count: usize,
}

/// All figures of a test.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// In the order of their names.
    pub species: Vec<SpeciesFigures>,
    /// `None` without bona fide presentations.
    pub bona_fide: Option<BonaFideFigures>,
}

/// The figures of `presentations`.
pub fn figures(presentations: &[Presentation]) -> Figures {
    let names: BTreeSet<&str> = presentations.iter().filter_map(|one| one.species.as_deref()).collect();
    let of = |species: Option<&str>| {
        presentations.iter().filter(|one| one.species.as_deref() == species).collect::<Vec<&Presentation>>()
    };
    let species = names.iter().map(|name| of_species(name, &of(Some(name)))).collect();
    let bona_fide = of(None);
    Figures { species, bona_fide: (!bona_fide.is_empty()).then(|| of_bona_fide(&bona_fide)) }
}

impl Figures {
    /// The species whose APCER has the highest upper bound at [`CONFIDENCE`], with that bound. `None` without attacks.
    pub fn worst(&self) -> Option<(&SpeciesFigures, f64)> {
        let bound = |figures: &SpeciesFigures| clopper_pearson(figures.apcer, CONFIDENCE).1;
        let bounds = self.species.iter().map(|figures| (figures, bound(figures)));
        bounds.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.species.cmp(&a.0.species)))
    }
}

fn of_species(species: &str, all: &[&Presentation]) -> SpeciesFigures {
    let (answered, unanswered) = (answered(all), count(all, |one| one.response == Response::None));
    let whole = all.len() as u64;
    SpeciesFigures {
        species: species.to_owned(),
        presentations: whole,
        subjects: subjects(all),
        apcer: Share { part: count(all, |one| one.response == Response::BonaFide), whole: answered },
        apnrr: Share { part: unanswered, whole },
        iapar: Share { part: count(all, |one| one.opened), whole },
        caught: reasons(all, Response::Attack),
        unanswered: reasons(all, Response::None),
    }
}

fn of_bona_fide(all: &[&Presentation]) -> BonaFideFigures {
    let whole = all.len() as u64;
    BonaFideFigures {
        presentations: whole,
        subjects: subjects(all),
        bpcer: Share { part: count(all, |one| one.response == Response::Attack), whole: answered(all) },
        bpnrr: Share { part: count(all, |one| one.response == Response::None), whole },
        opened: Share { part: count(all, |one| one.opened), whole },
        mistaken: count(all, |one| one.mistaken),
        caught: reasons(all, Response::Attack),
        unanswered: reasons(all, Response::None),
        took: times(all.iter().filter_map(|one| one.took)),
        asked_for: times(all.iter().filter_map(|one| one.asked_for)),
    }
}

fn count(all: &[&Presentation], what: impl Fn(&Presentation) -> bool) -> u64 {
    all.iter().filter(|one| what(one)).count() as u64
}

fn answered(all: &[&Presentation]) -> u64 {
    count(all, |one| one.response != Response::None)
}

fn subjects(all: &[&Presentation]) -> u64 {
    all.iter().map(|one| one.subject.as_str()).collect::<BTreeSet<_>>().len() as u64
}

fn reasons(all: &[&Presentation], response: Response) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for one in all.iter().filter(|one| one.response == response) {
        *found.entry(one.by.clone()).or_insert(0) += 1;
    }
    found
}

/// Median and 95th percentile by nearest rank; `None` without any.
fn times(all: impl Iterator<Item = Duration>) -> Option<Times> {
    let mut all: Vec<Duration> = all.collect();
    all.sort_unstable();
    let at = |percent: usize| all.get((all.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    Some(Times { median: at(50)?, p95: at(95)?, count: all.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presentation(species: Option<&str>, subject: &str, response: Response, opened: bool, by: &str) -> Presentation {
        Presentation {
            species: species.map(str::to_owned),
            subject: subject.to_owned(),
            clip: "clip".to_owned(),
            response,
            opened,
            mistaken: false,
            by: by.to_owned(),
            detail: String::new(),
            took: opened.then(|| Duration::from_secs(2)),
            asked_for: opened.then(|| Duration::from_secs(1)),
        }
    }

    /// The bounds that the documents name, of the two-sided interval: 16.8 % after 20 trials without an error, 2.4 % after 150, 60 % after 4.
    #[test]
    fn trials_without_an_error_allow_what_the_documents_say() {
        for (whole, percent) in [(20, "16.8"), (150, "2.4"), (4, "60.2"), (29, "11.9"), (14, "23.2")] {
            let (low, high) = clopper_pearson(Share { part: 0, whole }, CONFIDENCE);
            assert_eq!((low, format!("{:.1}", high * 100.0)), (0.0, percent.to_owned()), "{whole}");
        }
    }

    #[test]
    fn errors_are_shares_of_what_had_a_response_and_openings_of_all() {
        let mut all = vec![
            presentation(Some("print"), "ada", Response::Attack, false, "challenge"),
            presentation(Some("print"), "ada", Response::Attack, false, "challenge"),
            presentation(Some("print"), "bob", Response::Attack, false, "passive"),
            presentation(Some("print"), "bob", Response::None, false, "not recognised"),
            presentation(Some("fold"), "ada", Response::BonaFide, true, ""),
            presentation(Some("fold"), "ada", Response::BonaFide, false, ""),
            presentation(Some("fold"), "bob", Response::None, false, "the clip ended"),
        ];
        let found = figures(&all);
        assert_eq!(found.bona_fide, None);
        let [fold, print] = &found.species[..] else { panic!("{found:?}") };
        assert_eq!((print.presentations, print.subjects), (4, 2));
        assert_eq!((print.apcer, print.apnrr), (Share { part: 0, whole: 3 }, Share { part: 1, whole: 4 }));
        assert_eq!(print.caught, BTreeMap::from([("challenge".to_owned(), 2), ("passive".to_owned(), 1)]));
        assert_eq!(print.unanswered, BTreeMap::from([("not recognised".to_owned(), 1)]));
        assert_eq!((fold.apcer, fold.iapar), (Share { part: 2, whole: 2 }, Share { part: 1, whole: 3 }));
        let (worst, bound) = found.worst().unwrap();
        assert_eq!((worst.species.as_str(), bound), ("fold", 1.0));

        all.retain(|one| one.species.as_deref() == Some("print"));
        let (worst, bound) = figures(&all).worst().map(|(worst, bound)| (worst.species.clone(), bound)).unwrap();
        // 1 - 0.025^(1/3): three trials say next to nothing.
        assert_eq!((worst.as_str(), format!("{bound:.3}")), ("print", "0.708".to_owned()));
        assert_eq!(figures(&[]).worst(), None);
    }

    #[test]
    fn a_species_without_any_response_has_the_worst_bound_of_all() {
        let all = [
            presentation(Some("mask"), "ada", Response::None, false, "not recognised"),
            presentation(Some("print"), "ada", Response::Attack, false, "challenge"),
        ];
        let found = figures(&all);
        let (worst, bound) = found.worst().unwrap();
        assert_eq!((worst.species.as_str(), bound), ("mask", 1.0));
    }

    #[test]
    fn real_people_have_their_errors_and_their_times() {
        let mut all: Vec<Presentation> =
            (0..20).map(|_| presentation(None, "ada", Response::BonaFide, true, "")).collect();
        for (n, one) in all.iter_mut().enumerate() {
            one.took = Some(Duration::from_millis(100 * (n as u64 + 1)));
        }
        all.push(presentation(None, "bob", Response::Attack, false, "challenge"));
        all.push(presentation(None, "bob", Response::None, false, "not recognised"));
        all.push(Presentation {
            mistaken: true,
            took: None,
            ..presentation(None, "cyd", Response::BonaFide, true, "")
        });
        let found = figures(&all).bona_fide.unwrap();
        assert_eq!((found.presentations, found.subjects, found.mistaken), (23, 3, 1));
        assert_eq!((found.bpcer, found.bpnrr), (Share { part: 1, whole: 22 }, Share { part: 1, whole: 23 }));
        assert_eq!(found.opened, Share { part: 21, whole: 23 });
        let (median, p95) = (Duration::from_millis(1000), Duration::from_millis(1900));
        assert_eq!(found.took, Some(Times { median, p95, count: 20 }));
        assert_eq!(times(std::iter::empty()), None);
        let one = Duration::from_secs(3);
        assert_eq!(times(std::iter::once(one)), Some(Times { median: one, p95: one, count: 1 }));
    }
}
