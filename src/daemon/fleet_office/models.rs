//! The models of sites, as commands ask for them and as time goes on.

use std::sync::Arc;

use super::answers::{Refused, changed, done, follows_rules, rows_of_boards};
use super::desk::Office;
use super::link::LinkError;
use crate::fleet::{Gallery, Site};
use crate::office::fleet::protocol::{
    Answer, BoardModel, BoardRow, Done, ModelsAct, ModelsStatus, Photographs, RollRow,
};
use crate::office::fleet::{Book, Photographed, RollOrder, RollPhase, RollStanding};

/// Carries out what a command asks of a site's models.
pub async fn carry_out(office: &Arc<Office>, site: Site, act: ModelsAct, by: String) -> Result<Answer, Refused> {
    let (at_ms, at) = (office.now_ms(), site.clone());
    let what = match act {
        ModelsAct::Status => return status(office, &site).map(Answer::Models),
        ModelsAct::Switch { to, share, after_ms, learn } => {
            let order = RollOrder { site: at, to: to.clone(), share, after_ms, learn };
            changed(office, move |book| book.begin_roll(&order, &by, at_ms)).await?;
            format!("{site} is on its way to {to}, and goes over once {share} of 100 people have templates of it")
        }
        ModelsAct::Cancel => match changed(office, move |book| book.cancel_roll(&at, &by, at_ms)).await? {
            RollPhase::Gathering => format!("{site} stays with its model; the templates of the other one are dropped"),
            RollPhase::Switched => format!("{site} goes back to the model before"),
        },
        ModelsAct::Finish => {
            changed(office, move |book| book.finish_roll(&at, at_ms)).await?;
            format!("the records of the model that {site} has left are dropped")
        }
        ModelsAct::Photographs(Photographs { name, templates, proof, labels, force }) => {
            let (gallery, query) = (Gallery::from(&site), name.clone());
            let photographed = Photographed { gallery, templates, proof, labels, force };
            changed(office, move |book| book.give_templates(&query, photographed)).await?;
            format!("{name} has templates of the new model")
        }
    };
    // Whoever was the last one may have reached the share.
    advance(office).await.map_err(|error| Refused::Rules(error.to_string()))?;
    let told = done(office, &site, what, follows_rules).await;
    let notes = troubles(&rows_of_boards(office)?, &site);
    Ok(Answer::Done(Done { notes, ..told }))
}

/// Does what is due at any site: switches it, or drops the records of the model that it has left.
///
/// # Errors
/// The store cannot be written, or the boards' places cannot be read.
pub async fn advance(office: &Arc<Office>) -> Result<(), LinkError> {
    let underway = |book: &Book| {
        let on_way = book.galleries.iter().filter(|(_, people)| people.kept.roll.is_some());
        on_way.map(|(gallery, _)| gallery.clone()).collect::<Vec<Gallery>>()
    };
    let galleries = office.with(|book| underway(book));
    if galleries.is_empty() {
        return Ok(());
    }
    let (rows, now_ms) = (rows_of_boards(office)?, office.now_ms());
    for gallery in galleries {
        let boards = rows.iter().filter(|row| row.site == gallery.as_str() && !row.revoked);
        let models: Vec<Option<String>> = boards.map(|row| row.said.as_ref().map(|said| said.model.clone())).collect();
        office.change(move |book| book.advance_roll(&gallery, &models, now_ms)).await??;
    }
    Ok(())
}

fn status(office: &Arc<Office>, site: &Site) -> Result<ModelsStatus, Refused> {
    let rows = rows_of_boards(office)?;
    let gallery = Gallery::from(site);
    let no_site = || Refused::NoSite(site.clone());
    office.with(|book| {
        let people = book.galleries.get(&gallery).ok_or_else(no_site)?;
        let models = book.rules.get(site).and_then(|rules| rules.body.models.clone());
        let in_force = people.kept.model.as_ref().map(|model| model.as_str());
        let boards = rows.iter().filter(|row| row.site == gallery.as_str() && !row.revoked);
        Ok(ModelsStatus {
            current: models.as_ref().map(|models| models.current.name.clone()),
            beside: models.and_then(|models| models.beside).map(|beside| beside.name),
            roll: book.roll_standing(&gallery).map(row),
            boards: boards.map(|board| of_board(board, in_force)).collect(),
        })
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
fn troubles(rows: &[BoardRow], site: &Site) -> Vec<String> {
    let of_site = rows.iter().filter(|row| row.site == site.as_str() && !row.revoked);
    let trouble = of_site.filter_map(|row| Some((&row.board, row.said.as_ref()?.models_trouble.as_ref()?)));
    trouble.map(|(board, why)| format!("{board} does not follow: {why}")).collect()
}
