//! The names of shows, and every command of a show in every state.

use std::time::Duration;

use common::aggregate::Aggregate;
use common::error::Error;
use common::events::show::{ShowChange, ShowState, ShowStatus};
use common::events::ticket::Category;
use common::id::ShowId;

use super::fixtures::{now, show_details};
use super::show::{Show, ShowDetails, ShowError};

fn show() -> Show {
    Show::create(ShowId::new(), show_details(), now()).0
}

#[test]
fn spellings_share_a_name_and_local_times_do_not() {
    let name = show_details().name();
    let spelled = ShowDetails {
        title: " HAMLET!".to_owned(),
        venue: "globe".to_owned(),
        city: Some("Londres".to_owned()),
        category: Some(Category::Theatre),
        ..show_details()
    };
    assert_eq!(spelled.name(), name);
    assert!(spelled.is_same_occasion(&show_details()));
    let corrected = ShowDetails { time_zone: "Europe/Paris".to_owned(), ..show_details() };
    assert_eq!(corrected.name(), name, "sellers name the show by the city's time zone");
    for other in [
        ShowDetails { title: "Hamlet II".to_owned(), ..show_details() },
        ShowDetails { venue: "Globe Two".to_owned(), ..show_details() },
        ShowDetails { city: Some("Leeds".to_owned()), ..show_details() },
        ShowDetails { city: None, ..show_details() },
        ShowDetails { starts_at: now(), ..show_details() },
    ] {
        assert_ne!(other.name(), name, "{other:?}");
    }
    let ontario = ShowDetails {
        time_zone: "America/Toronto".to_owned(),
        starts_at: show_details().starts_at.plus(Duration::from_secs(5 * 3600)),
        ..show_details()
    };
    assert_eq!(ontario.clone().located().country.as_deref(), Some("CA"));
    assert_ne!(ontario.name(), name, "the same local time in another London");
    let unknown = |zone: &str, hour: &str| ShowDetails {
        city: Some("Springwood".to_owned()),
        time_zone: zone.to_owned(),
        starts_at: format!("2099-06-01T{hour}:00:00Z").parse().unwrap(),
        ..show_details()
    };
    assert_eq!(unknown("UTC", "20").name(), unknown("Europe/Paris", "18").name(), "the same local time");
}

#[test]
fn known_city_decides_country_and_time_zone() {
    let wrong = ShowDetails { time_zone: "Asia/Tokyo".to_owned(), country: None, ..show_details() };
    let located = wrong.located();
    assert_eq!((located.country.as_deref(), located.time_zone.as_str()), (Some("GB"), "Europe/London"));
    let unknown = ShowDetails { city: None, ..show_details() };
    assert_eq!(unknown.clone().located(), unknown);
}

#[test]
fn every_command_in_every_state() {
    let (later, other) = (now().plus(Duration::from_secs(60)), ShowId::new());
    let moved = ShowDetails { starts_at: later, ..show_details() };
    let cancelled = show().cancel("The actor is ill.".to_owned(), now()).unwrap().0;
    let merged = show().merge(other, now()).unwrap().0;
    for (state, error) in [(cancelled, ShowError::Cancelled), (merged, ShowError::Merged)] {
        assert_eq!(state.clone().revise(moved.clone(), later), Err(error));
        assert_eq!(state.clone().merge(other, later), Err(error));
        assert_eq!(state.clone().absorb(&show(), later), Err(error));
        assert_eq!(state.clone().cancel("Rain".to_owned(), later), Err(error));
        assert_eq!(Show::from_payload(state.payload()), Some(state.clone()));
        assert!(state.is_changed_since(&show()));
    }
    let (updated, change) =
        show().revise(ShowDetails { title: "Hamlet!".to_owned(), ..show_details() }, later).unwrap();
    assert_eq!(
        (change, updated.status_name(), updated.updated_at),
        (ShowChange::Updated, ShowStatus::Scheduled, later)
    );
    let (moved, change) = updated.revise(moved, later).unwrap();
    assert_eq!((change, moved.status_name(), moved.present_change()), (ShowChange::Moved, ShowStatus::Moved, change));
    assert_eq!(Show::from_payload(moved.payload()), Some(moved.clone()));
    let (absorbing, change) = show().absorb(&moved, later).unwrap();
    assert_eq!((change, absorbing.status_name()), (ShowChange::Moved, ShowStatus::Moved), "a move outlasts a merge");
    let (absorbing, change) = moved.absorb(&show(), later).unwrap();
    assert_eq!((change, absorbing.status_name()), (ShowChange::Updated, ShowStatus::Moved));
    let lacking = ShowState { status: ShowStatus::Cancelled, ..show().payload() };
    assert_eq!(Show::from_payload(lacking), None);
    for (error, code) in [(ShowError::Cancelled, "show-cancelled"), (ShowError::Merged, "show-merged")] {
        assert_eq!((Error::from(error).status().as_u16(), Error::from(error).problem().code()), (409, code));
    }
}

#[test]
fn day_is_that_of_the_venue() {
    let evening = ShowDetails {
        city: Some("New York".to_owned()),
        time_zone: "America/New_York".to_owned(),
        starts_at: "2026-12-01T01:00:00Z".parse().unwrap(),
        ..show_details()
    };
    let show = Show::create(ShowId::new(), evening, now()).0;
    assert_eq!((show.day.to_string(), show.folded_city.as_str()), ("2026-11-30".to_owned(), "new york city"));
}
