//! Two businesses in one store: whatever the one does with the other's ids is as if they were not
//! there.

use serde_json::json;

use crate::conformance::fixture::{
    FINISH, LEASE_S, Waiting, World, assert_not_found, at, identity, sent_as,
};
use crate::model::{
    Agent, CallResult, ChannelConfig, ContactPatch, Conversation, ConversationChange,
    DeliveryStatus, Flow, FlowVersion, PageRequest,
};
use crate::port::Store;
use crate::port::store::{
    Accept, Accepted, CallFinish, ConversationFilter, IdempotencyRecord, IdempotencyStart,
    MessageOrder, Post, StatusOutcome, TurnCommit, TurnRelease,
};

/// Two businesses; the second one is up to no good.
async fn two(store: &dyn Store) -> (World<'_>, World<'_>) {
    (World::new(store).await, World::new(store).await)
}

/// Members and keys of another business are neither read, listed nor revoked.
pub async fn foreign_members_and_keys_are_hidden(store: &dyn Store) {
    let (ours, theirs) = two(store).await;
    let key = ours.new_api_key();
    store.create_api_key(&key).await.unwrap();
    assert_not_found(store.member(theirs.business, ours.member).await);
    let page = PageRequest::default();
    let members = store.members(theirs.business, &page).await.unwrap().items;
    assert!(members.iter().all(|row| row.business_id == theirs.business));
    assert_eq!(store.api_keys(theirs.business, &page).await.unwrap().items, []);
    assert_not_found(store.revoke_api_key(theirs.business, key.id, at(1)).await);
    store.api_key_by_token(&key.token_sha256).await.unwrap();
}

/// Channels of another business are neither read, opened, listed, changed nor removed.
pub async fn foreign_channels_are_hidden(store: &dyn Store) {
    let (ours, theirs) = two(store).await;
    let channel = store.channel(ours.business, ours.channel).await.unwrap();
    assert_not_found(store.channel(theirs.business, channel.id).await);
    assert_not_found(store.channel_secrets(theirs.business, channel.id).await);
    let stolen = ChannelConfig { business_id: theirs.business, agent_id: None, ..channel.clone() };
    let secrets = [("token", "stolen")].into_iter().collect();
    assert_not_found(store.update_channel(&stolen, Some(&secrets)).await);
    assert_not_found(store.delete_channel(theirs.business, channel.id).await);
    let listed = store.channels(theirs.business, &PageRequest::default()).await.unwrap().items;
    assert!(listed.iter().all(|row| row.business_id == theirs.business));
    assert_eq!(store.find_channel(channel.id).await, Ok(channel));
}

/// Contacts of another business are neither read, found, listed, changed nor removed.
pub async fn foreign_contacts_are_hidden(store: &dyn Store) {
    let (ours, theirs) = two(store).await;
    let ann = ours.add_contact(&["ann"]).await;
    let thief = theirs.business;
    assert_not_found(store.contact(thief, ann.id).await);
    assert_not_found(store.contact_by_identity(thief, &identity("ann")).await);
    let patch = ContactPatch { name: Some("Stolen".to_owned()), ..ContactPatch::default() };
    assert_not_found(store.patch_contact(thief, ann.id, &patch, at(1)).await);
    let also = [identity("stolen")];
    assert_not_found(store.link_identities(thief, &identity("ann"), &also, at(1)).await);
    assert_not_found(store.delete_contact(thief, ann.id).await);
    assert_eq!(store.contacts(thief, &PageRequest::default()).await.unwrap().items, []);
    assert_eq!(store.contact(ours.business, ann.id).await, Ok(ann));
}

/// Agents of another business are neither read, listed, changed nor removed.
pub async fn foreign_agents_are_hidden(store: &dyn Store) {
    let (ours, theirs) = two(store).await;
    let agent = store.agent(ours.business, ours.agent).await.unwrap();
    assert_not_found(store.agent(theirs.business, agent.id).await);
    let stolen = Agent { business_id: theirs.business, ..agent.clone() };
    assert_not_found(store.update_agent(&stolen).await);
    assert_not_found(store.delete_agent(theirs.business, agent.id).await);
    let listed = store.agents(theirs.business, &PageRequest::default()).await.unwrap().items;
    assert!(listed.iter().all(|row| row.business_id == theirs.business));
    assert_eq!(store.agent(ours.business, agent.id).await, Ok(agent));
}

/// Flows and versions of another business are neither read, listed, changed, published nor removed.
pub async fn foreign_flows_are_hidden(store: &dyn Store) {
    let (ours, theirs) = two(store).await;
    let flow = ours.new_flow();
    store.create_flow(&flow).await.unwrap();
    let version =
        store.publish_flow(&ours.new_version(flow.id, "a"), &FINISH, at(1)).await.unwrap();
    let (thief, page) = (theirs.business, PageRequest::default());
    assert_not_found(store.flow(thief, flow.id).await);
    assert_not_found(store.update_flow(&Flow { business_id: thief, ..flow.clone() }).await);
    assert_not_found(store.delete_flow(thief, flow.id).await);
    assert_not_found(store.flow_version(thief, version.id).await);
    assert_not_found(store.flow_versions(thief, flow.id, &page).await);
    assert_not_found(store.publications(thief, flow.id, &page).await);
    assert_not_found(store.publication_for(thief, version.id).await);
    assert_not_found(store.live_counts(thief, flow.id).await);
    assert_not_found(store.live_sessions(thief, version.id, &page).await);
    let forged = FlowVersion { business_id: thief, ..theirs.new_version(flow.id, "b") };
    assert_not_found(store.publish_flow(&forged, &FINISH, at(1)).await);
    assert_eq!(store.flows(thief, &page).await.unwrap().items, []);
    let stored = store.flow(ours.business, flow.id).await.unwrap();
    assert_eq!(stored.published, Some(version.id));
}

/// An agent that names flows of another business runs none of them.
pub async fn foreign_flows_do_not_run(store: &dyn Store) {
    let (ours, theirs) = two(store).await;
    let flow = ours.new_flow();
    store.create_flow(&flow).await.unwrap();
    store.publish_flow(&ours.new_version(flow.id, "a"), &FINISH, at(1)).await.unwrap();
    let agent = store.agent(theirs.business, theirs.agent).await.unwrap();
    store.update_agent(&Agent { flows: vec![flow.id], ..agent }).await.unwrap();
    assert_eq!(theirs.turn("ann").await.versions, []);
}

/// Conversations and messages of another business are neither read, found, listed nor changed.
pub async fn foreign_conversations_are_hidden(store: &dyn Store) {
    let (ours, theirs) = two(store).await;
    let row = ours.quiet("ann").await;
    let (thief, page) = (theirs.business, PageRequest::default());
    assert_not_found(store.conversation(thief, row.id).await);
    assert_not_found(store.conversation_of(thief, row.channel_id, row.contact_id).await);
    let change = ConversationChange::Close;
    assert_not_found(store.change_conversation(thief, row.id, &change, at(1)).await);
    assert_not_found(store.messages(thief, row.id, MessageOrder::NewestFirst, &page).await);
    let filter =
        ConversationFilter { channel_id: Some(row.channel_id), ..ConversationFilter::default() };
    for filter in [filter, ConversationFilter::default()] {
        assert_eq!(store.conversations(thief, &filter, &page).await.unwrap().items, []);
    }
    assert_eq!(ours.conversation(row.id).await, row);
}

/// Sessions, steps and events of another business are not read.
pub async fn foreign_sessions_and_events_are_hidden(store: &dyn Store) {
    let (ours, theirs) = two(store).await;
    let Waiting { conversation, session, .. } = ours.waiting("ann").await;
    let (thief, page) = (theirs.business, PageRequest::default());
    assert_not_found(store.session(thief, session.id).await);
    assert_not_found(store.sessions(thief, conversation.id, &page).await);
    assert_not_found(store.trace(thief, session.id, &page).await);
    assert_eq!(store.events(thief, &page).await.unwrap().items, []);
    assert!(!store.events(ours.business, &page).await.unwrap().items.is_empty());
}

/// A message for a channel of another business is refused.
pub async fn foreign_channels_accept_nothing(store: &dyn Store) {
    let (ours, theirs) = two(store).await;
    let smuggled = Accept { channel_id: ours.channel, ..theirs.hello("ann", "m1") };
    assert_not_found(store.accept(vec![smuggled]).await);
    let hello = ours.accept(ours.hello("ann", "m1")).await;
    assert!(matches!(hello, Accepted::New { .. }));
}

/// The same person at two businesses is two contacts with two conversations.
pub async fn contacts_are_not_shared(store: &dyn Store) {
    let (ours, theirs) = two(store).await;
    let mine = ours.arrive(ours.hello("ann", "m1")).await;
    let other = theirs.arrive(theirs.hello("ann", "m1")).await;
    assert_ne!((mine.id, mine.contact_id), (other.id, other.contact_id));
    assert_eq!((mine.last_seq, other.last_seq), (1, 1));
}

/// A turn of another business can be neither committed nor released.
pub async fn foreign_turns_are_out_of_reach(store: &dyn Store) {
    let (ours, theirs) = two(store).await;
    let claim = ours.turn("ann").await;
    let stolen = TurnCommit { business_id: theirs.business, ..ours.done(&claim) };
    assert_not_found(theirs.try_commit(stolen).await);
    let release = TurnRelease {
        business_id: theirs.business,
        conversation_id: claim.conversation.id,
        fence: claim.fence,
        not_before: at(0),
    };
    store.release_turns(&[release]).await.unwrap();
    assert_eq!(ours.claim(at(LEASE_S - 1)).await, []);
    ours.commit(ours.done(&claim)).await;
}

/// A turn writes nothing into another business, whatever ids it names.
pub async fn turns_write_nothing_elsewhere(store: &dyn Store) {
    let (ours, theirs) = two(store).await;
    let target = ours.waiting("ann").await;
    let claim = theirs.turn("bob").await;
    let good = theirs.done(&claim);
    let attacks = [
        TurnCommit { sessions: vec![target.session.clone()], ..good.clone() },
        TurnCommit { timers: vec![target.timer.clone()], ..good.clone() },
        TurnCommit { calls: vec![target.call.clone()], ..good.clone() },
        TurnCommit { trace: vec![(target.session.id, theirs.step(9))], ..good.clone() },
    ];
    for attack in attacks {
        assert!(theirs.try_commit(attack).await.is_err());
    }
    theirs.commit(good).await;
    assert_eq!(store.session(ours.business, target.session.id).await, Ok(target.session.clone()));
    let trace = store.trace(ours.business, target.session.id, &PageRequest::default()).await;
    assert_eq!(trace.unwrap().items, []);
    let conversation: Conversation = ours.conversation(target.conversation.id).await;
    assert_eq!(conversation, target.conversation);
}

/// Nobody posts into a conversation of another business.
pub async fn foreign_conversations_take_no_post(store: &dyn Store) {
    let (ours, theirs) = two(store).await;
    let id = ours.quiet("ann").await.id;
    let smuggled = Post { business_id: theirs.business, ..ours.post(id, "spam") };
    assert_not_found(store.post(vec![smuggled]).await.unwrap().remove(0));
    assert_eq!(ours.messages(id).await.len(), 1);
    assert_eq!(ours.sends(at(9)).await, []);
}

/// Nobody records results or news about messages of another business.
pub async fn foreign_sends_are_out_of_reach(store: &dyn Store) {
    let (ours, theirs) = two(store).await;
    let id = ours.quiet("ann").await.id;
    ours.posted(ours.post(id, "hello")).await;
    let claim = ours.send_one(at(1)).await;
    let mut result = ours.result(&claim, sent_as("stolen"));
    result.business_id = theirs.business;
    assert_eq!(store.record_sends(vec![result]).await, Ok(Vec::new()));
    let mut own_channel = theirs.keyed(&claim.row, "p1", DeliveryStatus::Failed);
    assert_eq!(theirs.hear(own_channel.clone()).await, StatusOutcome::Parked);
    own_channel.channel_id = ours.channel;
    assert_not_found(store.record_statuses(vec![own_channel]).await);
    let changed = ours.record(&claim, sent_as("p1")).await;
    assert_eq!(changed[0].status, DeliveryStatus::Sent);
    let by_reference = theirs.news("p1", DeliveryStatus::Read);
    assert_eq!(theirs.hear(by_reference).await, StatusOutcome::Parked);
    assert_eq!(ours.messages(id).await[1].status, DeliveryStatus::Sent);
}

/// Nobody finishes a call of another business.
pub async fn foreign_calls_are_out_of_reach(store: &dyn Store) {
    let (ours, theirs) = two(store).await;
    ours.waiting("ann").await;
    let claim = store.claim_calls(&ours.options(at(2), 1)).await.unwrap().remove(0);
    let forged = CallFinish {
        business_id: theirs.business,
        call_id: claim.call.id,
        fence: claim.fence,
        result: CallResult::Ok(json!("stolen")),
    };
    assert_eq!(store.finish_calls(vec![forged.clone()]).await, Ok(0));
    assert_eq!(ours.claim(at(3)).await, []);
    let honest = CallFinish { business_id: ours.business, ..forged };
    assert_eq!(store.finish_calls(vec![honest]).await, Ok(1));
}

/// The keys of two businesses' requests have nothing to do with each other.
pub async fn foreign_requests_are_hidden(store: &dyn Store) {
    let (ours, theirs) = two(store).await;
    let record = IdempotencyRecord { key: "k".to_owned(), request_sha256: [1; 32], now: at(0) };
    let other = IdempotencyRecord { request_sha256: [2; 32], ..record.clone() };
    let started = store.start_request(ours.business, &record, at(-60)).await;
    assert_eq!(started, Ok(IdempotencyStart::Started));
    store.finish_request(ours.business, "k", 200, "ours").await.unwrap();
    let started = store.start_request(theirs.business, &other, at(-60)).await;
    assert_eq!(started, Ok(IdempotencyStart::Started));
    store.forget_request(theirs.business, "k").await.unwrap();
    assert_not_found(store.finish_request(theirs.business, "k", 200, "theirs").await);
    let again = store.start_request(ours.business, &record, at(-60)).await;
    assert_eq!(again, Ok(IdempotencyStart::Done { status: 200, body: "ours".to_owned() }));
}
