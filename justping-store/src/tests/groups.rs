//! The steps of the model that are about groups.

use std::ops::Deref;

use justping_core::model::*;
use justping_core::port::Store;
use justping_core::port::store::*;

use super::uuid;
use super::world::{Pair, both, every_page, pages, pick, tenant, text};

/// Groups there are from the beginning; patches name these, and one that nobody has.
const GROUPS: u8 = 4;

/// A group that patches name.
pub(super) fn group_id(n: u8) -> GroupId {
    GroupId::from_uuid(uuid(70_000 + u128::from(n % (GROUPS + 1))))
}

impl<T> Pair<T>
where
    T: Deref,
    T::Target: Store + Sized,
{
    fn group(&self, business_id: BusinessId, id: GroupId, name: String) -> Group {
        let (created_at, updated_at) = (self.moment(), self.moment());
        Group { id, business_id, name, revision: 1, created_at, updated_at }
    }

    /// Gives a business every second group.
    pub(super) async fn found_groups(&self, n: u8) {
        for number in (n % 2..GROUPS).step_by(2) {
            let group = self.group(tenant(n), group_id(number), format!("group {number}"));
            both!(self, create_group(&group)).unwrap();
        }
    }

    pub(super) async fn touch_group(&mut self, a: u8, b: u8, c: u8) {
        let (business, now) = (tenant(a), self.moment());
        let page = PageRequest::first(50);
        let all = self.memory.groups(business, &page).await.unwrap().items;
        let people = self.memory.contacts(tenant(a), &page).await.unwrap().items;
        let some: Vec<ContactId> =
            (0..c % 4).filter_map(|n| pick(&people, n ^ b)).map(|p| p.id).collect();
        let foreign = if b == 254 { tenant(c) } else { business };
        match (b % 6, pick(&all, c)) {
            (0, _) => {
                let id = GroupId::from_uuid(self.fresh());
                let _ = both!(self, create_group(&self.group(business, id, text(c))));
            }
            (1, Some(row)) => {
                let revision = row.revision.saturating_sub(u64::from(b & 16 == 0));
                let row = Group { revision, name: text(b), created_at: now, ..row };
                let _ = both!(self, update_group(&row));
            }
            (2, Some(row)) if b > 200 => drop(both!(self, delete_group(foreign, row.id))),
            (2 | 3, Some(row)) => {
                let _ = both!(self, add_to_group(foreign, row.id, &some, now));
            }
            (4, Some(row)) => {
                let _ = both!(self, remove_from_group(foreign, row.id, &some));
            }
            _ => drop(both!(self, groups_of(business, &some))),
        }
    }

    pub(super) async fn compare_groups(&self, business: BusinessId, n: u8) {
        for row in pages!(self, groups(business)) {
            pages!(self, memberships(business, row.id));
            pages!(self, memberships(tenant(n + 1), row.id));
            both!(self, group_size(business, row.id)).unwrap();
        }
        let page = PageRequest::first(50);
        let people = self.memory.contacts(business, &page).await.unwrap().items;
        let people: Vec<ContactId> = people.iter().map(|row| row.id).collect();
        both!(self, groups_of(business, &people)).unwrap();
    }
}
