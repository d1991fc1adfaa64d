//! The report of `usher liveness evaluate`, as text and as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::lab::dataset::LeftOut;
use crate::lab::presentations::{BonaFideFigures, Figures, Presentation, Response, SpeciesFigures, Times};
use crate::lab::share::{CONFIDENCE, Share, clopper_pearson};

/// What every report says first.
pub const SELF_TEST: &str =
    "Self-test, not certified: counted after ISO/IEC 30107-3 by the people who ran it, not by a laboratory.";

/// Everything that a report is about.
pub struct Report<'a> {
    pub figures: &'a Figures,
    pub presentations: &'a [Presentation],
    pub left_out: &'a [LeftOut],
    pub folder: &'a Path,
    pub circumstances: Circumstances,
}

/// Under what circumstances it was measured.
pub struct Circumstances {
    /// The tier, as the configuration writes it.
    pub assurance: String,
    /// Each limit that was in force: its name and its value.
    pub limits: Vec<(&'static str, Value)>,
    /// `name-hash` of each network.
    pub models: Vec<String>,
    /// Where the clips come from, as their metas say.
    pub cameras: BTreeSet<String>,
    /// Bona fide clips that do not say in which order their person was asked, and were judged by the order that suits them.
    pub order_unknown: usize,
}

/// The commit that the program was built from, where the build knew it.
fn commit() -> &'static str {
    option_env!("USHER_COMMIT").unwrap_or("not known to this build")
}

impl Report<'_> {
    /// One JSON object.
    pub fn json(&self) -> Value {
        let Circumstances { assurance, limits, models, cameras, order_unknown } = &self.circumstances;
        let worst = self.figures.worst().map(|(species, bound)| json!({ "species": species.species, "upper": bound }));
        let limits: serde_json::Map<String, Value> =
            limits.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        json!({
            "note": SELF_TEST,
            "worst_apcer": worst,
            "interval": "Clopper-Pearson 95 %, two-sided",
            "species": self.figures.species.iter().map(species_json).collect::<Vec<_>>(),
            "bona_fide": self.figures.bona_fide.as_ref().map(bona_fide_json),
            "clips": self.presentations.iter().map(clip_json).collect::<Vec<_>>(),
            "not_taken": self.left_out.iter().map(LeftOut::json).collect::<Vec<_>>(),
            "assurance": assurance,
            "limits": limits,
            "models": models,
            "cameras": cameras,
            "order_unknown": order_unknown,
            "folder": self.folder.display().to_string(),
            "version": env!("CARGO_PKG_VERSION"),
            "commit": commit(),
        })
    }

    /// For people.
    pub fn text(&self, out: &mut impl Write) -> Result<()> {
        writeln!(out, "{SELF_TEST}\n")?;
        writeln!(out, "{}\n", self.headline())?;
        if !self.figures.species.is_empty() {
            writeln!(out, "Attacks\n{}\n", attacks_table(&self.figures.species))?;
            reasons(out, self.figures.species.iter().map(|one| (one.species.as_str(), &one.caught, &one.unanswered)))?;
        }
        match &self.figures.bona_fide {
            Some(figures) => {
                writeln!(out, "Real people\n{}\n", bona_fide_table(figures))?;
                reasons(out, std::iter::once(("real people", &figures.caught, &figures.unanswered)))?;
            }
            None => writeln!(out, "Real people were not presented: whether the door opens for them is not known.\n")?,
        }
        self.errors(out)?;
        self.circumstances(out)
    }

    /// The worst species, and what few trials are worth.
    fn headline(&self) -> String {
        let worth = "(Even 0 of 20 trials allow 16.8 %, and 0 of 150 allow 2.4 %.)";
        let Some((species, bound)) = self.figures.worst() else {
            return "No attacks were presented: nothing is known about what this stops.".to_owned();
        };
        let SpeciesFigures { species: name, apcer, .. } = species;
        match apcer.whole {
            0 => format!(
                "Worst species: {name}. None of its presentations had a response, so nothing is known about it. {worth}"
            ),
            _ => format!(
                "Worst species: {name}. Up to {} of such attacks may be taken for a person, by the upper bound of APCER {}.\n{worth}",
                percent(bound),
                share_text(*apcer)
            ),
        }
    }

    /// The presentations that went wrong.
    fn errors(&self, out: &mut impl Write) -> Result<()> {
        let wrong = |one: &&Presentation| match one.species {
            Some(_) => one.opened || one.response == Response::BonaFide,
            None => !one.opened || one.mistaken,
        };
        let wrong: Vec<&Presentation> = self.presentations.iter().filter(wrong).collect();
        if !wrong.is_empty() {
            writeln!(out, "What went wrong")?;
            for one in wrong {
                let what = match (&one.species, one.mistaken, one.opened, one.response) {
                    (_, true, _, _) => "opened for somebody else".to_owned(),
                    (Some(_), _, true, _) => "opened the door".to_owned(),
                    (Some(_), ..) => "was taken for a person; the door stayed shut".to_owned(),
                    (None, _, _, Response::BonaFide) => "showed what was asked; the door stayed shut".to_owned(),
                    (None, _, _, Response::Attack) => format!("was refused by {}", one.by),
                    (None, ..) => format!("had no response: {}", one.by),
                };
                let detail = if one.detail.is_empty() { String::new() } else { format!(" ({})", one.detail) };
                writeln!(out, "  {}: {what}{detail}", one.clip)?;
            }
            writeln!(out)?;
        }
        Ok(())
    }

    fn circumstances(&self, out: &mut impl Write) -> Result<()> {
        let Circumstances { assurance, limits, models, cameras, order_unknown } = &self.circumstances;
        let limits: Vec<String> = limits.iter().map(|(name, value)| format!("{name} {value}")).collect();
        writeln!(out, "asked      {assurance}")?;
        writeln!(out, "limits     {}", limits.join(", "))?;
        writeln!(out, "models     {}", models.join(", "))?;
        let cameras = match cameras.is_empty() {
            true => "not said by the clips".to_owned(),
            false => cameras.iter().cloned().collect::<Vec<_>>().join(", "),
        };
        writeln!(out, "cameras    {cameras}")?;
        writeln!(out, "usher      {}, commit {}", env!("CARGO_PKG_VERSION"), commit())?;
        writeln!(
            out,
            "\nAPCER and BPCER are shares of the presentations that had a response, IAPAR of all. 95 % intervals by Clopper and Pearson, two-sided; \
             they\ntake presentations as independent, which those of one person are not: the true range is wider. An attack counts by its worst \
             outcome over\nall orders of turns."
        )?;
        if *order_unknown > 0 {
            writeln!(
                out,
                "{order_unknown} clips of real people do not say in which order they were asked to turn; they were judged by the order that suits \
                 them best."
            )?;
        }
        if !self.left_out.is_empty() {
            writeln!(out, "{} files were left out, with the reasons above.", self.left_out.len())?;
        }
        Ok(())
    }
}

fn table(header: &[&str]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(header.iter().copied());
    table
}

fn attacks_table(species: &[SpeciesFigures]) -> comfy_table::Table {
    let mut table = table(&["SPECIES", "CLIPS", "SUBJECTS", "APCER", "95 %", "NO RESPONSE", "IAPAR", "95 %"]);
    for one in species {
        table.add_row([
            one.species.clone(),
            one.presentations.to_string(),
            one.subjects.to_string(),
            counted(one.apcer),
            interval(one.apcer),
            counted(one.apnrr),
            counted(one.iapar),
            interval(one.iapar),
        ]);
    }
    table
}

fn bona_fide_table(figures: &BonaFideFigures) -> comfy_table::Table {
    let mut table =
        table(&["CLIPS", "SUBJECTS", "BPCER", "95 %", "NO RESPONSE", "OPENED", "FACE TO OPEN", "ASKED TO OPEN"]);
    table.add_row([
        figures.presentations.to_string(),
        figures.subjects.to_string(),
        counted(figures.bpcer),
        interval(figures.bpcer),
        counted(figures.bpnrr),
        counted(figures.opened),
        times_text(figures.took),
        times_text(figures.asked_for),
    ]);
    table
}

/// What caught how many, line by line.
fn reasons<'a>(
    out: &mut impl Write,
    all: impl Iterator<Item = (&'a str, &'a BTreeMap<String, u64>, &'a BTreeMap<String, u64>)>,
) -> Result<()> {
    let mut any = false;
    for (whom, caught, unanswered) in all {
        for (by, count) in caught {
            writeln!(out, "  {whom}: {count} refused by {by}")?;
            any = true;
        }
        for (why, count) in unanswered {
            writeln!(out, "  {whom}: {count} without a response: {why}")?;
            any = true;
        }
    }
    if any {
        writeln!(out)?;
    }
    Ok(())
}

/// `0 of 20`
fn counted(share: Share) -> String {
    format!("{} of {}", share.part, share.whole)
}

/// `0 to 16.8 %`
fn interval(share: Share) -> String {
    let (low, high) = clopper_pearson(share, CONFIDENCE);
    format!("{:.1} to {}", low * 100.0, percent(high))
}

fn percent(rate: f64) -> String {
    format!("{:.1} %", rate * 100.0)
}

/// `0 of 20 (0.0 to 16.8 %)`
fn share_text(share: Share) -> String {
    format!("{} ({})", counted(share), interval(share))
}

fn times_text(times: Option<Times>) -> String {
    times.map_or_else(
        || "never".to_owned(),
        |times| format!("{:.1} s, 95 % {:.1} s", times.median.as_secs_f64(), times.p95.as_secs_f64()),
    )
}

fn share_json(share: Share) -> Value {
    let (low, high) = clopper_pearson(share, CONFIDENCE);
    // Without trials there is no rate.
    let rate = (share.whole > 0).then(|| share.rate());
    json!({ "rate": rate, "part": share.part, "whole": share.whole, "interval": [low, high] })
}

fn times_json(times: Option<Times>) -> Option<Value> {
    let ms = |span: Duration| span.as_millis() as u64;
    times.map(|times| json!({ "median_ms": ms(times.median), "p95_ms": ms(times.p95), "count": times.count }))
}

fn species_json(one: &SpeciesFigures) -> Value {
    json!({
        "species": one.species,
        "presentations": one.presentations,
        "subjects": one.subjects,
        "apcer": share_json(one.apcer),
        "apnrr": share_json(one.apnrr),
        "iapar": share_json(one.iapar),
        "caught": one.caught,
        "unanswered": one.unanswered,
    })
}

fn bona_fide_json(figures: &BonaFideFigures) -> Value {
    json!({
        "presentations": figures.presentations,
        "subjects": figures.subjects,
        "bpcer": share_json(figures.bpcer),
        "bpnrr": share_json(figures.bpnrr),
        "opened": share_json(figures.opened),
        "mistaken": figures.mistaken,
        "caught": figures.caught,
        "unanswered": figures.unanswered,
        "face_to_open": times_json(figures.took),
        "recognition_to_open": times_json(figures.asked_for),
    })
}

fn clip_json(one: &Presentation) -> Value {
    let response = match one.response {
        Response::None => "none",
        Response::Attack => "attack",
        Response::BonaFide => "bona_fide",
    };
    json!({
        "clip": one.clip,
        "species": one.species,
        "subject": one.subject,
        "response": response,
        "opened": one.opened,
        "mistaken": one.mistaken,
        "by": one.by,
        "detail": one.detail,
        "took_ms": one.took.map(|took| took.as_millis() as u64),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::presentations::figures;

    fn presentation(species: Option<&str>, response: Response, opened: bool, by: &str) -> Presentation {
        Presentation {
            species: species.map(str::to_owned),
            subject: "ada".to_owned(),
            clip: "print/ada/one".to_owned(),
            response,
            opened,
            mistaken: false,
            by: by.to_owned(),
            detail: if by.is_empty() { String::new() } else { "did not turn far enough: left".to_owned() },
            took: opened.then(|| Duration::from_millis(2400)),
            asked_for: opened.then(|| Duration::from_millis(1900)),
        }
    }

    fn reported(presentations: &[Presentation]) -> (String, Value) {
        let figures = figures(presentations);
        let circumstances = Circumstances {
            assurance: "challenge".to_owned(),
            limits: vec![("turn", json!(0.2))],
            models: vec!["sface-012345678901".to_owned()],
            cameras: BTreeSet::from(["porch".to_owned()]),
            order_unknown: 1,
        };
        let folder = Path::new("test");
        let report = Report { figures: &figures, presentations, left_out: &[], folder, circumstances };
        let mut text = Vec::new();
        report.text(&mut text).unwrap();
        (String::from_utf8(text).unwrap(), report.json())
    }

    #[test]
    fn every_report_begins_with_what_it_is_not_and_with_the_worst_bound() {
        let caught = presentation(Some("print"), Response::Attack, false, "challenge");
        let mut all = vec![caught; 20];
        all.push(presentation(None, Response::BonaFide, true, ""));
        let (text, json) = reported(&all);
        assert!(text.starts_with("Self-test, not certified"), "{text}");
        assert!(text.contains("Worst species: print. Up to 16.8 %"), "{text}");
        assert!(text.contains("0 of 20 trials allow 16.8 %, and 0 of 150 allow 2.4 %"), "{text}");
        assert!(text.contains("2.4 s, 95 % 2.4 s") && text.contains("20 refused by challenge"), "{text}");
        assert!(text.contains("turn 0.2") && text.contains("sface-012345678901") && text.contains("porch"), "{text}");
        assert!(!text.contains("What went wrong"), "{text}");
        assert_eq!(json["worst_apcer"]["species"], "print");
        assert_eq!(json["bona_fide"]["recognition_to_open"]["median_ms"], 1900);
        assert_eq!((&json["note"], &json["limits"]["turn"]), (&json!(SELF_TEST), &json!(0.2)));
        assert_eq!(json["clips"].as_array().unwrap().len(), 21);
    }

    #[test]
    fn what_went_wrong_is_named_and_nothing_known_is_said() {
        let all = [
            presentation(Some("fold"), Response::BonaFide, true, ""),
            presentation(Some("mask"), Response::None, false, "not recognised"),
            presentation(None, Response::Attack, false, "challenge"),
        ];
        let (text, json) = reported(&all);
        assert!(text.contains("Worst species: fold. Up to 100.0 %"), "{text}");
        assert!(
            text.contains("opened the door")
                && text.contains("was refused by challenge (did not turn far enough: left)"),
            "{text}"
        );
        assert!(text.contains("mask: 1 without a response: not recognised"), "{text}");
        let mask = &json["species"][1];
        assert_eq!((&mask["apcer"]["rate"], &mask["apcer"]["interval"]), (&Value::Null, &json!([0.0, 1.0])));
        let (text, json) = reported(&all[2..]);
        assert!(text.contains("No attacks were presented"), "{text}");
        assert_eq!(json["worst_apcer"], Value::Null);
        let (text, _) = reported(&all[1..2]);
        assert!(text.contains("None of its presentations had a response"), "{text}");
        assert!(text.contains("Real people were not presented"), "{text}");
    }
}
