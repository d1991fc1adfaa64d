//! Accounts over a real store.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::*;
use crate::domain::Moment;

const PASSWORD: &str = "correct horse";

struct House {
    store: Store,
    accounts: Accounts,
    _dir: tempfile::TempDir,
}

impl House {
    fn new() -> House {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let accounts = Accounts::open(&store).unwrap();
        House { store, accounts, _dir: dir }
    }

    fn change(&self, name: &str, change: AccountChange<'_>) -> Result<(), AccountError> {
        let prepared = self.accounts.prepare(name, &change, SystemTime::UNIX_EPOCH)?;
        self.store.commit(&prepared.changes)?;
        prepared.done();
        Ok(())
    }

    fn add(&self, name: &str, role: Role) -> Result<(), AccountError> {
        self.change(name, AccountChange::Add { role, password: PASSWORD })
    }

    fn log_in(&self, name: &str, password: &str, host: u8, at_s: u64) -> Result<Account, LoginRefused> {
        let from = IpAddr::V4(Ipv4Addr::new(192, 0, 2, host));
        self.accounts.log_in(name, password, from, Moment(Duration::from_secs(at_s)))
    }
}

#[test]
fn an_account_logs_in_with_its_password_and_is_there_after_a_restart() {
    let house = House::new();
    house.add("anna", Role::Operator).unwrap();
    let account = house.log_in("anna", PASSWORD, 1, 0).unwrap();
    assert_eq!((account.name.as_str(), account.role), ("anna", Role::Operator));
    assert_eq!(house.log_in("anna", "correct house", 1, 0), Err(LoginRefused::Wrong));
    assert_eq!(house.log_in("Anna", PASSWORD, 1, 0), Err(LoginRefused::Wrong));
    let again = Accounts::open(&house.store).unwrap();
    assert_eq!(again.list(), house.accounts.list());
    house.change("anna", AccountChange::Password("another battery")).unwrap();
    assert_ne!(house.log_in("anna", "another battery", 1, 0).unwrap().generation, account.generation);
}

#[test]
fn an_account_with_the_name_of_a_removed_one_is_another() {
    let house = House::new();
    house.add("anna", Role::Viewer).unwrap();
    let before = house.accounts.account("anna").unwrap();
    house.change("anna", AccountChange::Remove).unwrap();
    house.add("anna", Role::Viewer).unwrap();
    assert_ne!(house.accounts.account("anna").unwrap().generation, before.generation);
}

#[test]
fn names_and_passwords_that_will_not_do_are_refused() {
    let house = House::new();
    for name in ["", " anna", "a/b", "-x", "a b", &"x".repeat(41)] {
        assert!(matches!(house.add(name, Role::Viewer), Err(AccountError::Name)), "{name:?}");
    }
    let add = |password| house.change("anna", AccountChange::Add { role: Role::Viewer, password });
    assert!(matches!(add("short"), Err(AccountError::Length)));
    assert!(matches!(add("aaaaaaaaaaaa"), Err(AccountError::Guessable)));
    house.add("anna", Role::Viewer).unwrap();
    assert!(matches!(house.add("ANNA", Role::Viewer), Err(AccountError::Taken(_))));
    assert!(matches!(house.change("otto", AccountChange::Remove), Err(AccountError::Unknown(_))));
}

#[test]
fn the_last_admin_stays() {
    let house = House::new();
    house.add("anna", Role::Admin).unwrap();
    for change in [AccountChange::Remove, AccountChange::Role(Role::Viewer)] {
        assert!(matches!(house.change("anna", change), Err(AccountError::LastAdmin(_))));
    }
    house.add("otto", Role::Admin).unwrap();
    house.change("anna", AccountChange::Remove).unwrap();
    assert!(house.accounts.account("anna").is_none());
}

#[test]
fn failures_slow_down_an_address_more_than_an_account() {
    let house = House::new();
    house.add("anna", Role::Admin).unwrap();
    for _ in 0..5 {
        assert_eq!(house.log_in("anna", "wrong password", 1, 0), Err(LoginRefused::Wrong));
    }
    let wait = |seconds| Err(LoginRefused::Wait { wait: Duration::from_secs(seconds) });
    assert_eq!(house.log_in("anna", PASSWORD, 1, 0), wait(10), "even with the right one");
    assert_eq!(house.log_in("anna", PASSWORD, 2, 4), wait(6), "the account waits from any address");
    assert!(house.log_in("otto", PASSWORD, 1, 11).is_err());
    assert!(house.log_in("anna", PASSWORD, 2, 11).is_ok(), "its owner gets in again");
    for at in 0..12u64 {
        drop(house.log_in("otto", "wrong password", 3, 2000 * at));
    }
    assert_eq!(house.log_in("otto", PASSWORD, 3, 22_001), wait(899));
    assert_eq!(house.log_in("otto", PASSWORD, 4, 22_001), wait(29));
}

#[test]
fn a_token_is_known_by_its_secret_alone() {
    let house = House::new();
    let (prepared, secret) = house.accounts.prepare_token("grafana", Role::Viewer, SystemTime::UNIX_EPOCH).unwrap();
    house.store.commit(&prepared.changes).unwrap();
    prepared.done();
    assert!(secret.len() > 64);
    assert_eq!(house.accounts.token_of(&secret).unwrap().name, "grafana");
    assert!(house.accounts.token_of("usher_00").is_none() && house.accounts.token_of("").is_none());
    let taken = house.accounts.prepare_token("grafana", Role::Viewer, SystemTime::UNIX_EPOCH);
    assert!(matches!(taken, Err(AccountError::TokenTaken(_))));
    let prepared = house.accounts.prepare_no_token("grafana").unwrap();
    house.store.commit(&prepared.changes).unwrap();
    prepared.done();
    assert!(house.accounts.token_of(&secret).is_none());
}

#[test]
fn a_record_that_cannot_be_read_does_not_keep_the_others_out() {
    let house = House::new();
    house.add("anna", Role::Admin).unwrap();
    let tree = house.store.tree(record::ACCOUNTS).unwrap();
    house.store.commit(&[tree.put("broken", "{"), tree.put([0xff, 0xfe], "[]")]).unwrap();
    let names: Vec<String> = Accounts::open(&house.store).unwrap().list().into_iter().map(|a| a.name).collect();
    assert_eq!(names, ["anna"]);
}
