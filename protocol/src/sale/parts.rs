//! Which part of an event's inventory is asked: everything where it is not spread, else one of its shards, all of them,
//! or the book. See [`domain::spread`].

use domain::{
    id::{EventId, ReservationKey, UserId},
    inventory::{Command, Query, Reply, check_blocked},
    machine::Answer,
    refusal::Refusal,
    seat_map::SeatMap,
    spread::{Part, home_of, shard_of},
};
use serde::Deserialize;

use super::{Gate, ask, granted, read};
use crate::ask::{InventoryAsk, Object};

/// Gives an event's inventory a command.
///
/// # Errors
/// There is no answer, or no such event.
pub async fn command<G: Gate>(gate: &G, event_id: &EventId, mut command: Command) -> Result<Answer, G::Error> {
    let shards = gate.shards(event_id).await?;
    if shards == 1 {
        return ask(gate, event_id, &Object::Inventory(event_id.clone()), &InventoryAsk::Command(command)).await;
    }
    let shard = match &mut command {
        Command::Hold { key, user, .. } => {
            *key = key.at(shards, home_of(shards, user));
            shard_of(shards, *key)
        }
        Command::Cancel { key, .. }
        | Command::OpenIntent { key, .. }
        | Command::Confirm { key, .. }
        | Command::Refund { key, .. } => shard_of(shards, *key),
        Command::CancelIntent { intent, .. } | Command::Decided { intent, .. } => shard_of(shards, intent.key),
        Command::EndAdmission(_) => return everywhere(gate, event_id, shards, &command).await,
        Command::Block { block, unblock } => {
            let (block, unblock) = (std::mem::take(block), std::mem::take(unblock));
            return block_parts(gate, event_id, shards, block, unblock).await;
        }
        _ => return Ok(Answer::Refused(Refusal::Overloaded)),
    };
    at(gate, event_id, shard, command).await
}

/// Looks into an event's inventory.
///
/// # Errors
/// There is no answer, or no such event.
pub async fn look<G: Gate>(gate: &G, event_id: &EventId, query: Query) -> Result<Answer, G::Error> {
    let shards = gate.shards(event_id).await?;
    let object = match object_of(&query, shards).filter(|_| shards > 1) {
        Some(shard) => Object::Shard(event_id.clone(), shard),
        None => Object::Inventory(event_id.clone()),
    };
    ask(gate, event_id, &object, &InventoryAsk::Query(query)).await
}

/// The shard that can answer; none where the book does.
fn object_of(query: &Query, shards: u32) -> Option<u32> {
    let of_key = |key: &ReservationKey| Some(shard_of(shards, *key));
    let of_user = |user: &UserId| Some(home_of(shards, user));
    match query {
        Query::Reservation { key, .. } | Query::Order { key, .. } => of_key(key),
        Query::Reservations { user, .. } | Query::Orders { user, .. } => of_user(user),
        Query::Intents { user, reservation, .. } => reservation.as_ref().map_or_else(|| of_user(user), of_key),
        Query::Availability
        | Query::Seats
        | Query::Ledger { .. }
        | Query::Changes { .. }
        | Query::Stock
        | Query::Figures
        | Query::Offer(_)
        | Query::Taken(_)
        | Query::Standings { .. } => None,
    }
}

async fn at<G: Gate>(gate: &G, event_id: &EventId, shard: u32, command: Command) -> Result<Answer, G::Error> {
    ask(gate, event_id, &Object::Shard(event_id.clone(), shard), &InventoryAsk::Command(command)).await
}

async fn everywhere<G: Gate>(gate: &G, event_id: &EventId, shards: u32, command: &Command) -> Result<Answer, G::Error> {
    let mut answer = at(gate, event_id, 0, command.clone()).await?;
    for shard in 1..shards {
        let next = at(gate, event_id, shard, command.clone()).await?;
        if matches!(next, Answer::Refused(_)) {
            answer = next;
        }
    }
    Ok(answer)
}

/// Seats that the organiser keeps back, by the shard that has them.
#[derive(Default)]
struct Kept {
    block: Vec<String>,
    unblock: Vec<String>,
}

/// Blocks and unblocks seats of several shards: first all that is to be blocked, which may be refused and is taken back
/// then, after that what is to be unblocked, which nobody refuses. Without an answer it is done in part; it can be
/// asked again.
async fn block_parts<G: Gate>(
    gate: &G,
    event_id: &EventId,
    shards: u32,
    block: Vec<String>,
    unblock: Vec<String>,
) -> Result<Answer, G::Error> {
    #[derive(Deserialize)]
    struct Body {
        blocked: Vec<String>,
        unblocked: Vec<String>,
    }
    let event = gate.event(event_id).await?;
    let map = SeatMap::new(&event.sections);
    if let Err(refusal) = check_blocked(&map, &block, &unblock) {
        return Ok(Answer::Refused(refusal));
    }
    let shard = |id: &String| {
        let section = map.seat(id).map(|seat| map.section_of(seat));
        match section.map(|section| event.part_of_section(section)) {
            Some(Part::Shard(shard)) => shard as usize,
            Some(Part::Root) | None => unreachable!("every seat of a spread event has a shard"),
        }
    };
    let mut parts: Vec<Kept> = (0..shards).map(|_| Kept::default()).collect();
    block.into_iter().for_each(|id| parts[shard(&id)].block.push(id));
    unblock.into_iter().for_each(|id| parts[shard(&id)].unblock.push(id));

    let mut done = Body { blocked: vec![], unblocked: vec![] };
    let mut undo: Vec<(u32, Vec<String>)> = Vec::new();
    for (shard, part) in (0..).zip(&parts).filter(|(_, part)| !part.block.is_empty()) {
        let answer = at(gate, event_id, shard, Command::Block { block: part.block.clone(), unblock: vec![] }).await?;
        if let Answer::Refused(_) = answer {
            for (shard, unblock) in undo {
                granted::<G>(at(gate, event_id, shard, Command::Block { block: vec![], unblock }).await?)?;
            }
            return Ok(answer);
        }
        let body: Body = read::<G, _>(&granted::<G>(answer)?)?;
        undo.push((shard, body.blocked.clone()));
        done.blocked.extend(body.blocked);
    }
    for (shard, part) in (0..).zip(parts).filter(|(_, part)| !part.unblock.is_empty()) {
        let answer = at(gate, event_id, shard, Command::Block { block: vec![], unblock: part.unblock }).await?;
        let body: Body = read::<G, _>(&granted::<G>(answer)?)?;
        done.unblocked.extend(body.unblocked);
    }
    let reply = Reply::Blocked { blocked: done.blocked, unblocked: done.unblocked };
    let body = serde_json::to_vec(&reply).map_err(crate::Problem::from)?;
    Ok(Answer::Granted { body, replayed: false })
}
