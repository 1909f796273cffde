//! The searches of endpoints with small bounds, and proof that a search finds what it is for.

use model::{
    endpoints::{
        Endpoints,
        scenario::{Bounds, Flaw, Scenario, small},
    },
    search::{Found, explore},
};

const STATES_MAX: usize = 300_000;
const LOSS: Bounds = Bounds { losses: 1, ..Bounds::NONE };
const CRASH: Bounds = Bounds { crashes: 1, ..Bounds::NONE };

fn search(scenario: Scenario) -> Found {
    explore(&mut Endpoints::new(scenario), STATES_MAX)
}

#[test]
fn no_interleaving_breaks_a_promise() {
    for scenario in small() {
        let title = format!("{} ({})", scenario.name, scenario.bounds);
        assert_eq!(search(scenario).complaint(), None, "{title}");
    }
}

#[test]
fn an_endpoint_can_end_with_everything_or_disabled() {
    let gone = Bounds { farewells: 1, ..Bounds::NONE };
    let endings = search(Scenario::two("endings", &[1], gone)).endings;
    for ending in [
        "endpoint 0 has everything; endpoint 1 has everything",
        "endpoint 0 is disabled; endpoint 1 has everything",
        "endpoint 0 has everything; endpoint 1 is disabled",
    ] {
        assert!(endings.contains_key(ending), "{ending} is not among {endings:#?}");
    }
    assert_eq!(endings.len(), 3, "{endings:#?}");
}

/// The first broken promise in a flawed environment.
fn first_broken(flaw: Flaw, bounds: Bounds) -> String {
    search(Scenario { flaw, ..Scenario::two("flawed", &[2], bounds) }).first_broken().to_owned()
}

#[test]
fn a_post_that_failed_and_counts_as_delivered_is_found() {
    let refused = first_broken(Flaw::RefusalsCountAsDelivered, Bounds { refusals: 1, ..Bounds::NONE });
    assert!(refused.starts_with("nothing-untold: the cursor of endpoint moved to 1, and only 0 was taken"), "{refused}");
    let lost = first_broken(Flaw::SilenceCountsAsDelivered, LOSS);
    assert!(lost.starts_with("nothing-untold: the cursor of"), "{lost}");
}

#[test]
fn a_word_that_is_lost_for_good_is_found() {
    let what = first_broken(Flaw::LostWordsAreNotSaidAgain, LOSS);
    assert!(what.starts_with("nothing-untold: endpoint began behind None instead of 0 by endpoint"), "{what}");
}

#[test]
fn a_crash_that_forgets_the_cursor_is_found() {
    let what = first_broken(Flaw::CrashesForgetRows, CRASH);
    assert!(what.starts_with("nothing-untold: endpoint began behind None instead of 0"), "{what}");
}

#[test]
fn a_commit_that_is_granted_and_not_made_is_found() {
    // The first commit of all, the directions, is lost already.
    let flawed = Scenario { flaw: Flaw::CommitsAreDropped, ..Scenario::two("flawed", &[1], Bounds::NONE) };
    let broken = Endpoints::new(flawed).begin().expect_err("the search finds nothing");
    assert!(broken.0.starts_with("acknowledged-survives: memory is"), "{}", broken.0);
}

#[test]
fn an_envelope_that_is_skipped_is_found() {
    let what = first_broken(Flaw::TheNewestIsPosted, Bounds::NONE);
    assert!(what.starts_with("nothing-untold: endpoint was sent 2 after 0"), "{what}");
}

#[test]
fn a_cursor_that_begins_in_the_wrong_place_is_found() {
    let what = first_broken(Flaw::CursorsBeginAtTheEnd, Bounds::NONE);
    assert!(what.starts_with("nothing-untold: endpoint began behind Some(1) instead of 0"), "{what}");
}
