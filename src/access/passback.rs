//! Anti-passback: whether somebody comes from the side of the door on which they are, and what is let pass all the same.

use super::whereabouts::KnownPlace;
use crate::domain::{Direction, Gate, Passback, Reason};

/// Whether places that other boards of the site tell count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SitePlaces {
    /// This board's doors alone count.
    #[default]
    Off,
    /// They count, but nobody is refused for one: the servers cannot be reached, or their places were not read since they can.
    Stale,
    /// They count.
    Current,
}

/// The zones on the two sides of a door. Going in leads from `outside` to `inside`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zones {
    pub outside: String,
    pub inside: String,
}

/// The gate `passback` for somebody who wants to pass in this direction.
///
/// Where the places of the site count, nobody is kept from going out: they may have come in at a door that cannot be heard.
pub(super) fn gate(
    passback: Passback,
    site: SitePlaces,
    zones: &Zones,
    direction: Direction,
    place: Option<KnownPlace<'_>>,
) -> (Gate, Option<Reason>) {
    let from = match direction {
        Direction::In => &zones.outside,
        Direction::Out => &zones.inside,
    };
    let fits = place.is_none_or(|place| place.zone == *from);
    let told_by = place.and_then(|place| place.told_by);
    let let_pass = if fits {
        None
    } else if passback == Passback::Soft {
        Some("soft")
    } else if site != SitePlaces::Off && direction == Direction::Out {
        Some("nobody is kept in")
    } else if site != SitePlaces::Current && told_by.is_some() {
        Some("soft: the site's newest places are not known")
    } else {
        None
    };
    let mut input = match place {
        None => "not known where".to_owned(),
        Some(KnownPlace { zone, told_by: None }) => format!("in {zone}"),
        Some(KnownPlace { zone, told_by: Some(board) }) => format!("in {zone}, by the board {board}"),
    };
    if let Some(why) = let_pass {
        input += &format!(", let pass ({why})");
    }
    let passed = fits || let_pass.is_some();
    (Gate::new("passback", input, format!("comes from {from}"), passed), (!passed).then_some(Reason::Passback))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(
        passback: Passback,
        site: SitePlaces,
        direction: Direction,
        place: Option<KnownPlace<'_>>,
    ) -> (bool, String) {
        let zones = Zones { outside: "street".into(), inside: "office".into() };
        let (gate, refused) = gate(passback, site, &zones, direction, place);
        assert_eq!(gate.passed, refused.is_none());
        (gate.passed, gate.input.to_string())
    }

    fn found<'a>(zone: &'a str, told_by: Option<&'a str>) -> Option<KnownPlace<'a>> {
        Some(KnownPlace { zone, told_by })
    }

    #[test]
    fn who_is_inside_elsewhere_is_refused_while_the_places_are_current() {
        let inside = found("office", Some("front"));
        let (passed, input) = asked(Passback::Hard, SitePlaces::Current, Direction::In, inside);
        assert_eq!((passed, &*input), (false, "in office, by the board front"));
        let (passed, input) = asked(Passback::Hard, SitePlaces::Stale, Direction::In, inside);
        assert!(passed && input.ends_with("let pass (soft: the site's newest places are not known)"), "{input}");
        // What this board's doors saw counts as ever.
        let (passed, _) = asked(Passback::Hard, SitePlaces::Stale, Direction::In, found("office", None));
        assert!(!passed);
        for place in [found("street", Some("side")), None] {
            assert!(asked(Passback::Hard, SitePlaces::Current, Direction::In, place).0);
        }
    }

    #[test]
    fn nobody_is_kept_in_where_other_doors_count() {
        for place in [found("street", Some("side")), found("street", None), found("yard", Some("side"))] {
            for site in [SitePlaces::Current, SitePlaces::Stale] {
                let (passed, input) = asked(Passback::Hard, site, Direction::Out, place);
                assert!(passed && input.contains("nobody is kept in"), "{input}");
            }
        }
        assert!(!asked(Passback::Hard, SitePlaces::Off, Direction::Out, found("street", None)).0);
        assert!(
            asked(Passback::Soft, SitePlaces::Off, Direction::Out, found("street", None))
                .1
                .ends_with("let pass (soft)")
        );
    }
}
