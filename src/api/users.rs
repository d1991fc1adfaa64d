//! The system's users and groups, wherever the system keeps them: files, LDAP, SSSD. A directory may take its time, so nothing here is
//! called on the asynchronous runtime's threads.

use nix::unistd::{Gid, Group, Uid, User};

/// The user's name, else `uid N`.
pub fn user_name(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => format!("uid {uid}"),
    }
}

/// The number of the user whom this process runs as.
pub fn own_uid() -> u32 {
    Uid::effective().as_raw()
}

/// The numbers of a user and of the user's own group; `None` where there is no such user.
pub fn user_id(name: &str) -> Option<(u32, u32)> {
    User::from_name(name).ok().flatten().map(|user| (user.uid.as_raw(), user.gid.as_raw()))
}

/// What a user is called: the first entry of the GECOS field, which has more behind commas (passwd(5)), else the user's name. `None` where there is
/// no such user.
pub fn full_name(uid: u32) -> Option<String> {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten()?;
    let gecos = user.gecos.to_string_lossy();
    let full = gecos.split(',').next().map(str::trim).filter(|name| !name.is_empty());
    Some(full.map_or_else(|| user.name.clone(), str::to_owned))
}

/// The number of a group; `None` where there is no such group.
pub fn group_id(name: &str) -> Option<u32> {
    Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw())
}

/// The group's name, else `gid N`.
pub fn group_name(gid: u32) -> String {
    Group::from_gid(Gid::from_raw(gid)).ok().flatten().map_or_else(|| format!("gid {gid}"), |group| group.name)
}

/// The users whom the group's own entry lists. Those whose primary group it is are not among them.
pub fn group_members(gid: u32) -> Vec<String> {
    Group::from_gid(Gid::from_raw(gid)).ok().flatten().map_or_else(Vec::new, |group| group.mem)
}

/// All groups of a user, the primary one included.
pub fn groups_of(name: &str) -> Vec<u32> {
    let Ok(Some(user)) = User::from_name(name) else { return Vec::new() };
    let Ok(text) = std::ffi::CString::new(name) else { return Vec::new() };
    nix::unistd::getgrouplist(&text, user.gid)
        .map_or_else(|_| vec![user.gid.as_raw()], |groups| groups.into_iter().map(Gid::as_raw).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_its_group_are_known_by_name_and_an_unknown_number_is_shown() {
        assert_eq!((user_name(0), group_name(0), group_id("root")), ("root".to_owned(), "root".to_owned(), Some(0)));
        assert!(groups_of("root").contains(&0));
        assert_eq!((user_id("root"), user_id("no such user")), (Some((0, 0)), None));
        assert!(full_name(0).is_some_and(|name| !name.is_empty()));
        let nobody_has_it = 0x7FFF_FFF0;
        assert_eq!(user_name(nobody_has_it), format!("uid {nobody_has_it}"));
        assert_eq!(group_name(nobody_has_it), format!("gid {nobody_has_it}"));
        assert_eq!(full_name(nobody_has_it), None);
        assert!(group_members(nobody_has_it).is_empty() && groups_of("no such user").is_empty());
    }
}
