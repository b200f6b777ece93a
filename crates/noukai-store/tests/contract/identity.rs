//! People: the first start, accounts, members, invitations, sign-ins.

use noukai_api::MemberRole;
use noukai_store::*;
use uuid::Uuid;

use super::bed::*;

pub fn user(email: &str) -> UserRecord {
    UserRecord {
        id: Uuid::now_v7(),
        email: email.into(),
        name: "Ann".into(),
        password_hash: "$argon2id$".into(),
        created_at: at(1),
    }
}

pub fn installation(token: &str, email: &str) -> NewInstallation {
    NewInstallation {
        token_hash: token.into(),
        owner: user(email),
        org_id: Uuid::now_v7(),
        org_slug: "acme".into(),
        project_id: ProjectId(Uuid::now_v7()),
        project_slug: "demo".into(),
    }
}

/// An installation with its owner.
pub async fn installed(store: &Shared) -> (ProjectRecord, UserRecord) {
    let new = installation("t", "ann@acme.test");
    assert!(store.add_setup_token("t", at(1)).await.unwrap());
    (store.set_up(&new, at(2), at(0)).await.unwrap().unwrap(), new.owner)
}

fn invitation(org: Uuid, email: &str, role: MemberRole, token: &str) -> InvitationRecord {
    InvitationRecord {
        id: Uuid::now_v7(),
        org_id: org,
        email: email.into(),
        role,
        token_hash: token.into(),
        created_by: "ann".into(),
        created_at: at(5),
        expires_at: at(100),
    }
}

async fn joined(store: &Shared, org: Uuid, email: &str, role: MemberRole) -> UserRecord {
    let user = user(email);
    assert!(store.add_invitation(&invitation(org, email, role, email), 50, at(5)).await.unwrap());
    assert!(store.accept_invitation(email, &user, at(6)).await.unwrap().is_some());
    user
}

pub async fn set_up_once_in_a_race(store: Shared) {
    assert!(store.is_untouched().await.unwrap());
    for token in ["t1", "t2"] {
        assert!(store.add_setup_token(token, at(10)).await.unwrap());
    }
    let new = installation("t1", "ann@acme.test");
    for (token, since) in [("wrong", at(0)), ("t1", at(10)), ("'; --", at(0))] {
        let wrong = NewInstallation { token_hash: token.into(), ..new.clone() };
        assert_eq!(store.set_up(&wrong, at(11), since).await.unwrap(), None, "{token}");
    }
    assert!(store.is_untouched().await.unwrap(), "a refused setup leaves nothing");
    let made = at_once(10, |number| {
        let store = store.clone();
        let new = installation(["t1", "t2"][number % 2], &format!("ann{number}@acme.test"));
        async move { store.set_up(&new, at(11), at(0)).await.unwrap() }
    })
    .await;
    assert_eq!(made.iter().flatten().count(), 1);
    assert!(!store.is_untouched().await.unwrap());
    assert!(!store.add_setup_token("t3", at(12)).await.unwrap(), "no token once there is an account");
    assert_eq!(store.projects().await.unwrap().len(), 1);
}

pub async fn setup_keeps_what_is_there(store: Shared) {
    let demo = project(&store, "demo").await;
    let (made, owner) = installed(&store).await;
    assert_eq!(made.id, demo);
    let member = store.member(made.org_id, owner.id).await.unwrap().unwrap();
    assert_eq!((member.role, member.email.as_str(), member.since), (MemberRole::Owner, "ann@acme.test", at(2)));
    let memberships = store.memberships(owner.id).await.unwrap();
    let expected = MembershipRecord { org_id: made.org_id, org_slug: "acme".into(), role: MemberRole::Owner };
    assert_eq!(memberships, [expected]);
    assert_eq!(store.user(owner.id).await.unwrap().as_ref(), Some(&owner));
    assert_eq!(store.user_by_email("ann@acme.test").await.unwrap(), Some(owner));
    for text in HOSTILE {
        assert_eq!(store.user_by_email(text).await.unwrap(), None);
    }
}

pub async fn an_organisation_keeps_an_owner(store: Shared) {
    let (made, ann) = installed(&store).await;
    let org = made.org_id;
    assert_eq!(store.remove_member(org, ann.id).await.unwrap(), MemberChange::LastOwner);
    assert_eq!(store.set_role(org, ann.id, MemberRole::Admin).await.unwrap(), MemberChange::LastOwner);
    assert_eq!(store.set_role(org, ann.id, MemberRole::Owner).await.unwrap(), MemberChange::Done);
    let bob = joined(&store, org, "bob@acme.test", MemberRole::Owner).await;
    let left = at_once(2, |number| {
        let (store, user) = (store.clone(), [ann.id, bob.id][number]);
        async move { store.remove_member(org, user).await.unwrap() }
    })
    .await;
    assert_eq!(left.iter().filter(|change| **change == MemberChange::Done).count(), 1, "{left:?}");
    assert_eq!(store.members(org, None, 9).await.unwrap().len(), 1);
    assert_eq!(store.remove_member(org, Uuid::nil()).await.unwrap(), MemberChange::Missing);
    assert_eq!(store.set_role(Uuid::nil(), ann.id, MemberRole::Admin).await.unwrap(), MemberChange::Missing);
}

pub async fn members_are_paged(store: Shared) {
    let (made, _) = installed(&store).await;
    for name in ["dan", "bob", "cat"] {
        joined(&store, made.org_id, &format!("{name}@acme.test"), MemberRole::Member).await;
    }
    let page = async |after: Option<&str>, limit| {
        let found = store.members(made.org_id, after, limit).await.unwrap();
        found.into_iter().map(|member| member.email).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 2).await, ["ann@acme.test", "bob@acme.test"]);
    assert_eq!(page(Some("bob@acme.test"), 2).await, ["cat@acme.test", "dan@acme.test"]);
    assert_eq!(page(Some("bob@b.test"), 1).await, ["cat@acme.test"], "of somebody who has left");
    assert_eq!(page(Some("dan@acme.test"), 2).await, Vec::<String>::new());
}

pub async fn invited_once(store: Shared) {
    let (made, ann) = installed(&store).await;
    let org = made.org_id;
    let first = invitation(org, "bob@acme.test", MemberRole::Member, "i1");
    let second =
        InvitationRecord { role: MemberRole::Admin, ..invitation(org, "bob@acme.test", MemberRole::Admin, "i2") };
    assert!(store.add_invitation(&first, 1, at(5)).await.unwrap());
    assert!(store.add_invitation(&second, 1, at(5)).await.unwrap(), "the older one to the same address is void");
    assert!(
        !store.add_invitation(&invitation(org, "eve@acme.test", MemberRole::Member, "i3"), 1, at(5)).await.unwrap()
    );
    assert_eq!(store.invitations(org, at(5)).await.unwrap(), [second]);
    assert_eq!(store.invitations(Uuid::nil(), at(5)).await.unwrap(), []);
    assert_eq!(store.invitation("i1", at(5)).await.unwrap(), None);
    assert_eq!(store.invitation("i2", at(100)).await.unwrap(), None, "over");
    let accepted = at_once(5, |_| {
        let (store, user) = (store.clone(), user("bob@acme.test"));
        async move { store.accept_invitation("i2", &user, at(7)).await.unwrap() }
    })
    .await;
    assert_eq!(accepted.iter().flatten().count(), 1);
    let roles: Vec<_> = store.members(org, None, 9).await.unwrap().into_iter().map(|member| member.role).collect();
    assert_eq!(roles, [MemberRole::Owner, MemberRole::Admin]);

    assert!(store.add_invitation(&invitation(org, "ann@acme.test", MemberRole::Member, "i4"), 9, at(5)).await.unwrap());
    assert!(is_conflict(&store.accept_invitation("i4", &user("ann@acme.test"), at(7)).await), "another account");
    assert!(store.accept_invitation("i4", &ann, at(7)).await.unwrap().is_some(), "nothing was used up");
    assert_eq!(store.member(org, ann.id).await.unwrap().unwrap().role, MemberRole::Owner, "no lower role");
}

pub async fn invitations_are_taken_back(store: Shared) {
    let (made, _) = installed(&store).await;
    let open = invitation(made.org_id, "bob@acme.test", MemberRole::Member, "i1");
    store.add_invitation(&open, 9, at(5)).await.unwrap();
    assert!(!store.remove_invitation(Uuid::nil(), open.id).await.unwrap(), "another organisation's");
    assert!(store.remove_invitation(made.org_id, open.id).await.unwrap());
    assert_eq!(store.accept_invitation("i1", &user("bob@acme.test"), at(6)).await.unwrap(), None);
}

pub async fn sign_ins_last_until_they_end(store: Shared) {
    let (made, ann) = installed(&store).await;
    let sign_in = |token: &str, project_id| SignInRecord {
        token_hash: token.into(),
        user_id: ann.id,
        project_id,
        created_at: at(5),
        expires_at: at(50),
    };
    let (first, second) = (sign_in("s1", Some(made.id)), sign_in("s2", None));
    store.add_sign_in(&first, "ann").await.unwrap();
    store.add_sign_in(&second, "ann").await.unwrap();
    assert_eq!(store.sign_in("s1").await.unwrap(), Some(first));
    assert_eq!(store.sign_in("s2").await.unwrap(), Some(second));
    assert!(store.end_sign_in("s1").await.unwrap() && !store.end_sign_in("s1").await.unwrap());
    store.set_password(ann.id, "new", at(6)).await.unwrap();
    assert_eq!(store.sign_in("s2").await.unwrap(), None, "a new password ends what there was");
    assert_eq!(store.user(ann.id).await.unwrap().unwrap().password_hash, "new");
}

pub async fn attempts_are_counted(store: Shared) {
    let (_, ann) = installed(&store).await;
    let tried = at_once(10, |_| {
        let store = store.clone();
        async move { store.attempt_sign_in("ann", 3, at(0), at(10)).await.unwrap() }
    })
    .await;
    assert_eq!(tried.iter().filter(|attempt| **attempt == SignInAttempt::Counted).count(), 3);
    let next = store.attempt_sign_in("ann", 3, at(0), at(20)).await.unwrap();
    assert_eq!(next, SignInAttempt::TooMany(at(10)));
    assert_eq!(store.attempt_sign_in("bob", 3, at(0), at(20)).await.unwrap(), SignInAttempt::Counted);
    assert_eq!(store.attempt_sign_in("ann", 3, at(10), at(40)).await.unwrap(), SignInAttempt::Counted, "a new window");
    let sign_in = SignInRecord {
        token_hash: "s".into(),
        user_id: ann.id,
        project_id: None,
        created_at: at(5),
        expires_at: at(9),
    };
    for _ in 0..2 {
        store.attempt_sign_in("ann", 3, at(20), at(41)).await.unwrap();
    }
    store.add_sign_in(&sign_in, "ann").await.unwrap();
    assert_eq!(store.attempt_sign_in("ann", 1, at(20), at(42)).await.unwrap(), SignInAttempt::Counted);
}

pub async fn what_is_over_is_forgotten(store: Shared) {
    let (made, ann) = installed(&store).await;
    for (token, expires_at) in [("s1", at(10)), ("s2", at(30))] {
        let sign_in =
            SignInRecord { token_hash: token.into(), user_id: ann.id, project_id: None, created_at: at(5), expires_at };
        store.add_sign_in(&sign_in, "ann").await.unwrap();
    }
    store.add_invitation(&invitation(made.org_id, "b@acme.test", MemberRole::Member, "i"), 9, at(5)).await.unwrap();
    store.attempt_sign_in("bob", 3, at(0), at(10)).await.unwrap();
    assert_eq!(store.prune_identities(at(20), 10).await.unwrap(), 2, "a sign-in and an attempt");
    assert_eq!(store.sign_in("s1").await.unwrap(), None);
    assert!(store.sign_in("s2").await.unwrap().is_some() && store.invitation("i", at(5)).await.unwrap().is_some());
}
