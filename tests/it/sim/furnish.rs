use std::sync::Arc;

use justping::JustPing;
use justping::agents::Flows;
use justping::memory::{MemoryProvider, ScriptedAi, SeededEntropy};
use justping::model::{
    Agent, AgentId, Business, BusinessId, ChannelConfig, ChannelId, ChannelSecrets, Flow, FlowId,
};

use super::actor::SECRET;
use super::flow;
use super::plan::ShopPlan;
use super::store::SimStore;
use super::world::{Shop, World};

/// Opens the shops of a world: each a business with one agent, two flows and one channel.
pub(super) async fn furnish(world: &Arc<World>) {
    let office = JustPing::builder()
        .store(Arc::new(SimStore::bare(world)))
        .clock(Arc::clone(&world.clock) as _)
        .entropy(Arc::new(SeededEntropy::new(world.seed_of(0))))
        .flows(Arc::new(Flows::new().with_ai(Arc::new(ScriptedAi::new()))))
        .build()
        .unwrap();
    for plan in &world.plan().shops {
        let shop = open(&office, plan).await;
        world.watch(|oracle| oracle.shops.push(shop));
    }
}

async fn open(office: &JustPing, plan: &ShopPlan) -> Shop {
    let (store, now, id) = (office.store(), office.clock().now(), || office.ids().uuid());
    let name = || "shop".to_owned();
    let business_id = BusinessId::from_uuid(id());
    let business = Business { id: business_id, name: name(), created_at: now };
    store.create_business(&business).await.unwrap();
    let mut flows = Vec::new();
    for draft in [flow::order(), flow::chat()] {
        let flow = Flow {
            id: FlowId::from_uuid(id()),
            business_id,
            name: name(),
            draft,
            published: None,
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        store.create_flow(&flow).await.unwrap();
        office.publish_flow(business_id, flow.id).await.unwrap();
        flows.push(flow.id);
    }
    let agent = Agent {
        id: AgentId::from_uuid(id()),
        business_id,
        name: name(),
        instructions: "Help.".to_owned(),
        model: None,
        flows,
        settings: Default::default(),
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    store.create_agent(&agent).await.unwrap();
    let channel = ChannelConfig {
        id: ChannelId::from_uuid(id()),
        business_id,
        provider: MemoryProvider::NAME.to_owned(),
        name: name(),
        settings: serde_json::json!({}),
        agent_id: Some(agent.id),
        enabled: true,
        unknown_policy: plan.policy,
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    let secrets = ChannelSecrets::from_iter([(MemoryProvider::SECRET, SECRET)]);
    store.create_channel(&channel, &secrets).await.unwrap();
    Shop { business: business_id, channel: channel.id, plan: plan.clone() }
}
