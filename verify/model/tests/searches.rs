//! The searches with small bounds, and proof that a search finds what it is for.

use domain::payment::Scenario as Provider;
use model::{
    sale::Sale,
    scenario::{Acts, Bounds, Flaw, Scenario, small},
    search::{Found, explore},
};

const STATES_MAX: usize = 500_000;
const CONFIRM: Acts = Acts { confirm: true, ..Acts::NONE };
const LOSS: Bounds = Bounds { losses: 1, ..Bounds::NONE };

fn search(scenario: Scenario) -> Found {
    explore(&mut Sale::new(scenario), STATES_MAX)
}

#[test]
fn no_interleaving_breaks_a_promise() {
    for scenario in small() {
        let title = format!("{} ({})", scenario.name, scenario.bounds);
        assert_eq!(search(scenario).complaint(), None, "{title}");
    }
}

#[test]
fn a_sale_can_end_in_every_way_that_the_contract_has() {
    let endings = |provider, delay_sec, acts| {
        let scenario = Scenario::one_buyer("endings", provider, delay_sec, Bounds::NONE);
        search(Scenario { acts, ..scenario }).endings.into_keys().collect::<Vec<_>>()
    };
    let confirmed = endings(Provider::Approve, 90, Acts { refund: true, ..CONFIRM });
    let given_up = endings(Provider::Approve, 90, Acts { cancel: true, cancel_intent: true, ..Acts::NONE });
    let never = endings(Provider::Timeout, 0, Acts { word: true, ..Acts::NONE });
    let declined = endings(Provider::Fail, 30, Acts::NONE);
    let all = [confirmed, given_up, never, declined].concat();
    for ending in [
        "no hold",
        "CONFIRMED, paid APPROVED, provider APPROVED",
        "CANCELLED, paid CANCELLED, provider CANCELLED",
        "EXPIRED, paid CANCELLED, provider CANCELLED",
        "EXPIRED, paid EXPIRED, provider EXPIRED",
        "EXPIRED, paid REFUNDED, provider EXPIRED",
        "CANCELLED, paid FAILED, provider FAILED",
        "REFUNDED, paid REFUNDED, provider REFUNDED",
    ] {
        assert!(all.iter().any(|known| known == ending), "{ending} is not among {all:#?}");
    }
}

/// The first broken promise of a search.
fn first_broken(scenario: Scenario) -> String {
    search(scenario).first_broken().to_owned()
}

/// The first broken promise of a buyer who confirms in a flawed environment.
fn first_broken_of_one(flaw: Flaw, bounds: Bounds) -> String {
    first_broken(Scenario { flaw, acts: CONFIRM, ..Scenario::one_buyer("flawed", Provider::Approve, 60, bounds) })
}

#[test]
fn a_record_that_is_not_kept_is_found() {
    let what = first_broken_of_one(Flaw::RecordsAreDropped, Bounds::NONE);
    assert!(what.starts_with("acknowledged-survives: a key that was granted is refused"), "{what}");
}

#[test]
fn a_commit_that_is_granted_and_not_made_is_found() {
    // Its very first commit, the event, is lost already.
    let scenario = Scenario::one_buyer("flawed", Provider::Approve, 60, Bounds::NONE);
    let mut sale = Sale::new(Scenario { flaw: Flaw::CommitsAreDropped, ..scenario });
    let broken = sale.begin().expect_err("the search finds nothing");
    assert!(broken.0.starts_with("acknowledged-survives: memory is"), "{}", broken.0);
}

#[test]
fn money_that_is_taken_before_the_seat_is_sold_is_found() {
    let what = first_broken_of_one(Flaw::CaptureOnApproval, Bounds::NONE);
    assert!(what.starts_with("money-behind-seat:") && what.contains("its seats were not sold"), "{what}");
}

#[test]
fn a_sale_on_the_clients_word_is_found() {
    let what = first_broken_of_one(Flaw::ProviderIsNotAsked, Bounds::NONE);
    assert!(what.starts_with("money-behind-seat:") && what.contains("not authorised"), "{what}");
}

#[test]
fn an_effect_that_is_lost_for_good_is_found() {
    let what = first_broken_of_one(Flaw::LostEffectsCountAsDone, LOSS);
    assert!(what.starts_with("money-behind-seat:") || what.starts_with("agreement:") || what.starts_with("all-ends:"), "{what}");
}

#[test]
fn an_authorisation_nobody_ever_hears_of_is_found() {
    let what = first_broken_of_one(Flaw::EveryWebhookIsLost, Bounds::NONE);
    assert!(what.starts_with("all-ends:") && what.contains("stays AUTHORIZED"), "{what}");
}

#[test]
fn an_envelope_that_nobody_dealt_with_is_found() {
    for flaw in [Flaw::PublishedCountsAsDealtWith, Flaw::GapsAreSkipped] {
        let what = first_broken(Scenario { flaw, ..Scenario::log("flawed", 2, LOSS) });
        assert!(what.starts_with("nothing-untold: consumed to"), "{flaw:?}: {what}");
    }
}
