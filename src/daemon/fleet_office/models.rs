//! The models of sites, as commands ask for them and as time goes on.

use crate::fleet::{Gallery, Site};
use crate::office::fleet::protocol::{BoardModel, BoardRow, ModelsAct, ModelsStatus, Photographs, RollRow};
use crate::office::fleet::{Book, BookError, Photographed, Roll, RollOrder, RollPhase, RollStanding};

/// Carries out what a command asks of a site's models. Returns what was done, in words.
///
/// # Errors
/// It is refused, or cannot be stored.
pub fn lead(book: &mut Book, site: &Site, act: ModelsAct, by: &str, at_ms: u64) -> Result<String, BookError> {
    Ok(match act {
        ModelsAct::Status => String::new(),
        ModelsAct::Switch { to, share, after_ms, learn } => {
            book.begin_roll(&RollOrder { site: site.clone(), to: to.clone(), share, after_ms, learn }, by, at_ms)?;
            let share = if share == 100 {
                "everybody who may enter has".to_owned()
            } else {
                format!("{share} % of the people who may enter have")
            };
            let after = if after_ms.is_some() { ", or at the moment that you named" } else { "" };
            format!("{site} is on its way to {to}, and goes over once {share} templates of it{after}")
        }
        ModelsAct::Cancel => {
            let Roll { from, to, phase, .. } = book.cancel_roll(site, by, at_ms)?;
            let (from, to) = (from.name, to.name);
            match phase {
                RollPhase::Gathering => format!("{site} stays with {from}; the templates of {to} are dropped"),
                RollPhase::Switched => {
                    format!("{site} goes back from {to} to {from}; the templates of {to} are kept for now")
                }
            }
        }
        ModelsAct::Finish { force } => {
            book.finish_roll(site, force, at_ms)?;
            format!("the records of the model that {site} has left are dropped")
        }
        ModelsAct::Photographs(Photographs { name, templates, proof, labels, force }) => {
            let gallery = Gallery::from(site);
            book.give_templates(&name, Photographed { gallery, templates, proof, labels, force })?;
            format!("{name} has templates of the new model")
        }
    })
}

/// Does what is due at any site: switches it, or drops the records of the model that it has left. `rows` are all boards.
///
/// # Errors
/// It cannot be stored, or a site's models are not known; what is due at the others is done.
pub fn advance(book: &mut Book, rows: &[BoardRow], now_ms: u64) -> Result<(), BookError> {
    let on_way = book.galleries.iter().filter(|(_, people)| people.kept.roll.is_some());
    let on_way: Vec<Gallery> = on_way.map(|(gallery, _)| gallery.clone()).collect();
    let mut done = Ok(());
    for gallery in on_way {
        let boards = rows.iter().filter(|row| row.site == gallery.as_str() && !row.revoked);
        let models: Vec<Option<String>> = boards.map(|row| row.said.as_ref().map(|said| said.model.clone())).collect();
        done = done.and(book.advance_roll(&gallery, &models, now_ms).map(drop));
    }
    done
}

/// The models of a site; `None` if there is no such site.
pub fn status(book: &Book, rows: &[BoardRow], site: &Site) -> Option<ModelsStatus> {
    let gallery = Gallery::from(site);
    let people = book.galleries.get(&gallery)?;
    let models = book.rules.get(site).and_then(|rules| rules.body.models.clone());
    let in_force = people.kept.model.as_ref().map(|model| model.as_str());
    let boards = rows.iter().filter(|row| row.site == gallery.as_str() && !row.revoked);
    Some(ModelsStatus {
        current: models.as_ref().map(|models| models.current.name.clone()),
        beside: models.and_then(|models| models.beside).map(|beside| beside.name),
        roll: book.roll_standing(&gallery).map(row),
        boards: boards.map(|board| of_board(board, in_force)).collect(),
    })
}

fn of_board(row: &BoardRow, in_force: Option<&str>) -> BoardModel {
    let model = row.said.as_ref().map(|said| said.model.clone());
    BoardModel {
        board: row.board.clone(),
        follows: model.is_some() && model.as_deref() == in_force,
        model,
        beside: row.said.as_ref().and_then(|said| said.beside.clone()),
        trouble: row.said.as_ref().and_then(|said| said.models_trouble.clone()),
    }
}

fn row(RollStanding { roll, moved, left }: RollStanding) -> RollRow {
    RollRow {
        from: roll.from.name,
        to: roll.to.name,
        switched: roll.phase == RollPhase::Switched,
        share: roll.share,
        after_ms: roll.after_ms,
        learn: roll.learn,
        by: roll.by,
        moved,
        left,
    }
}

/// Why boards do not follow their site.
pub fn troubles(rows: &[BoardRow], site: &Site) -> Vec<String> {
    let of_site = rows.iter().filter(|row| row.site == site.as_str() && !row.revoked);
    let trouble = of_site.filter_map(|row| Some((&row.board, row.said.as_ref()?.models_trouble.as_ref()?)));
    trouble.map(|(board, why)| format!("{board} does not follow: {why}")).collect()
}
