use std::fmt::{self, Debug, Display};
use std::str::FromStr;

use async_trait::async_trait;

use super::{COUNTER_DAYS_MAX, StoreError, StoreResult};
use crate::model::{
    BusinessId, ChannelSecrets, Date, PLUGIN_KEY_MAX_BYTES, PLUGIN_LINE_MAX_BYTES,
    PLUGIN_VALUE_MAX_BYTES, Page, PageRequest, Plugin, PluginDay, PluginId, PluginLine,
    PluginLineKind, PluginQuota, PluginRelease, PluginSpend, Timestamp,
};

/// Most lines or days of one move.
pub const PLUGIN_BATCH_MAX: usize = 1_000;
/// Most keys that one look gives.
pub const PLUGIN_KEYS_MAX: u32 = 1_000;

/// What became of a write of a plugin's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvWrite {
    /// It is there.
    Done,
    /// It would be more than the quota; nothing changed.
    Full,
    /// The value that is there is no number, or the sum is none that fits 64 bits; nothing changed.
    NoNumber,
}

/// A sum, or why there is none.
pub type KvSum = Result<i64, KvWrite>;

/// What [`add_plugin_value`](PluginStore::add_plugin_value) makes of the value that is there.
pub fn plugin_sum(there: Option<&[u8]>, by: i64) -> KvSum {
    let number = |value| std::str::from_utf8(value).ok()?.parse().ok();
    let before: i64 = there.map_or(Some(0), number).ok_or(KvWrite::NoNumber)?;
    before.checked_add(by).ok_or(KvWrite::NoNumber)
}

/// Plugins of businesses: what is installed, what it keeps, says and takes. The packages themselves
/// are kept elsewhere, under their digests.
///
/// # Contract
/// - A release never changes; added again, it stays as it is.
/// - Values belong to one plugin of one business. A value that is over at `now` is not there: not
///   for a read, a listing, nor a quota.
/// - A write that would exceed the quota changes nothing. What counts are the bytes of keys and
///   values that are not over. However many write at once, the quota holds, and no addition is lost.
/// - Keys are compared by their bytes. A key is 1 to [`PLUGIN_KEY_MAX_BYTES`] bytes and a value at
///   most [`PLUGIN_VALUE_MAX_BYTES`]; a write of others is [`Invalid`](super::StoreError::Invalid).
/// - A plugin keeps its newest [`PLUGIN_LINES_MAX`](crate::model::PLUGIN_LINES_MAX) lines.
/// - With a plugin go its values, secrets, lines and days; releases stay.
/// - The upkeep drops values that are over, and lines and days that are old
///   ([`Retention`](super::Retention)).
///
/// # Ordering & idempotency
/// Lines are in the order in which they were added, whatever their moments say. An addition that is
/// made again adds again.
///
/// # Errors
/// Whatever names a plugin that is not there is [`NotFound`](super::StoreError::NotFound), except
/// for the moves that take plugins of several businesses, which leave it out.
///
/// # Implementing
/// [`PluginWrite::check`], [`PluginKeys::range`], [`plugin_sum`], [`PluginQuota::admits`],
/// [`Plugin::replaced`] and [`check_lines`] say what every store does alike.
#[async_trait]
pub trait PluginStore: Send + Sync + Debug + 'static {
    /// Adds a release; one that is there with this digest is left as it is.
    async fn keep_plugin_release(&self, release: &PluginRelease) -> StoreResult<()>;

    /// Reads a release.
    async fn plugin_release(
        &self,
        business: BusinessId,
        digest: &str,
    ) -> StoreResult<PluginRelease>;

    /// Lists the releases of a plugin's name, the newest first; of one millisecond, by digest.
    async fn plugin_releases(
        &self,
        business: BusinessId,
        name: &str,
        page: &PageRequest,
    ) -> StoreResult<Page<PluginRelease>>;

    /// Adds a plugin. [`Conflict`](super::StoreError::Conflict) when its name is taken,
    /// [`NotFound`](super::StoreError::NotFound) when no release of its name has its digest.
    async fn create_plugin(&self, plugin: &Plugin, secrets: &ChannelSecrets) -> StoreResult<()>;

    /// Reads a plugin.
    async fn plugin(&self, business: BusinessId, id: PluginId) -> StoreResult<Plugin>;

    /// Finds a plugin by its name.
    async fn plugin_by_name(&self, business: BusinessId, name: &str) -> StoreResult<Plugin>;

    /// Replaces a plugin whose `revision` is still the stored one and returns it with the next. With
    /// `secrets`, those named are set and the others stay. `business_id`, `name` and `created_at`
    /// never change. [`NotFound`](super::StoreError::NotFound) when no release of its name has its
    /// digest.
    async fn update_plugin(
        &self,
        plugin: &Plugin,
        secrets: Option<&ChannelSecrets>,
    ) -> StoreResult<Plugin>;

    /// Removes a plugin and everything that is its own.
    async fn delete_plugin(&self, business: BusinessId, id: PluginId) -> StoreResult<()>;

    /// Lists plugins by id.
    async fn plugins(&self, business: BusinessId, page: &PageRequest) -> StoreResult<Page<Plugin>>;

    /// Businesses that have plugins, by id, after one; at most `limit`. For the platform's own loops,
    /// like the list of businesses.
    async fn plugin_businesses(
        &self,
        after: Option<BusinessId>,
        limit: u32,
    ) -> StoreResult<Vec<BusinessId>>;

    /// Opens the secrets of a plugin. For the sandbox only.
    async fn plugin_secrets(
        &self,
        business: BusinessId,
        id: PluginId,
    ) -> StoreResult<ChannelSecrets>;

    /// Reads a value.
    async fn plugin_value(
        &self,
        business: BusinessId,
        id: PluginId,
        key: &str,
        now: Timestamp,
    ) -> StoreResult<Option<Vec<u8>>>;

    /// Writes a value. One that is over already leaves nothing.
    async fn set_plugin_value(&self, write: &PluginWrite<'_>, value: &[u8])
    -> StoreResult<KvWrite>;

    /// Adds to a number, its decimal text, and returns the sum; a missing one counts as 0. What was
    /// said of its end stays unless the write says another.
    async fn add_plugin_value(&self, write: &PluginWrite<'_>, by: i64) -> StoreResult<KvSum>;

    /// Removes a value, if it is there.
    async fn delete_plugin_value(
        &self,
        business: BusinessId,
        id: PluginId,
        key: &str,
    ) -> StoreResult<()>;

    /// The keys that begin with `prefix`, in the order of their bytes, after `after`; at most `limit`
    /// and at most [`PLUGIN_KEYS_MAX`].
    async fn plugin_keys(
        &self,
        business: BusinessId,
        id: PluginId,
        looked_for: &PluginKeys<'_>,
    ) -> StoreResult<Vec<String>>;

    /// Adds lines to the logs of plugins of one or more businesses, at most [`PLUGIN_BATCH_MAX`];
    /// lines of plugins that are gone are left out. [`Invalid`](super::StoreError::Invalid), and
    /// nothing is added, when there are more or one is too long.
    async fn add_plugin_lines(&self, lines: &[PluginLine]) -> StoreResult<()>;

    /// Lists the lines of a plugin, the newest first; those of one kind, if given.
    async fn plugin_lines(
        &self,
        business: BusinessId,
        id: PluginId,
        kind: Option<PluginLineKind>,
        page: &PageRequest,
    ) -> StoreResult<Page<PluginLine>>;

    /// Adds what calls took to their days, at most [`PLUGIN_BATCH_MAX`]; plugins that are gone are
    /// left out. [`Invalid`](super::StoreError::Invalid), and nothing is added, when there are more.
    async fn add_plugin_spend(
        &self,
        spends: &[(BusinessId, PluginId, Timestamp, PluginSpend)],
    ) -> StoreResult<()>;

    /// What the plugins of a business took, by day, then plugin. What
    /// [`PluginDayFilter::check`] refuses is [`Invalid`](super::StoreError::Invalid).
    async fn plugin_days(
        &self,
        business: BusinessId,
        filter: &PluginDayFilter,
    ) -> StoreResult<Vec<PluginDay>>;
}

/// Which days are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PluginDayFilter {
    /// The first day, in UTC.
    pub from: Date,
    /// The last day; it is read too.
    pub to: Date,
    /// Those of this plugin; `None` is those of all, each by itself.
    pub plugin_id: Option<PluginId>,
}

impl PluginDayFilter {
    /// Refuses days that go backwards or are more than [`COUNTER_DAYS_MAX`].
    pub fn check(&self) -> StoreResult<()> {
        let days = self.to.duration_since(self.from).as_hours() / 24 + 1;
        if (1..=COUNTER_DAYS_MAX).contains(&days) {
            Ok(())
        } else {
            Err(StoreError::Invalid("days"))
        }
    }
}

/// Where a list of releases goes on: before this one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PluginReleaseKey {
    /// Milliseconds of when it was uploaded.
    pub at: i64,
    /// Its digest.
    pub digest: String,
}

impl PluginReleaseKey {
    /// The key of a release.
    pub fn of(release: &PluginRelease) -> Self {
        Self { at: release.created_at.as_millisecond(), digest: release.digest.clone() }
    }
}

impl Display for PluginReleaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at, self.digest)
    }
}

impl FromStr for PluginReleaseKey {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let invalid = StoreError::Invalid("cursor");
        let (at, digest) = text.split_once('.').ok_or_else(|| invalid.clone())?;
        Ok(Self { at: at.parse().map_err(|_| invalid)?, digest: digest.to_owned() })
    }
}

/// Where a value is written, and under which bounds.
#[derive(Debug, Clone, Copy)]
pub struct PluginWrite<'a> {
    /// The business.
    pub business_id: BusinessId,
    /// The plugin.
    pub plugin_id: PluginId,
    /// The key.
    pub key: &'a str,
    /// When the value is over, if ever.
    pub until: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
    /// How much the plugin may keep.
    pub quota: PluginQuota,
}

impl PluginWrite<'_> {
    /// Refuses a key that is empty or too long, and a value that is too long.
    pub fn check(&self, value: &[u8]) -> StoreResult<()> {
        if !(1..=PLUGIN_KEY_MAX_BYTES).contains(&self.key.len()) {
            return Err(StoreError::Invalid("key"));
        }
        if value.len() > PLUGIN_VALUE_MAX_BYTES {
            return Err(StoreError::Invalid("value"));
        }
        Ok(())
    }

    /// Bytes that a value of this key takes from the quota.
    pub fn bytes(&self, value: &[u8]) -> u64 {
        (self.key.len() + value.len()) as u64
    }

    /// Whether what is written is over already.
    pub fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until.as_millisecond() <= self.now.as_millisecond())
    }
}

/// Refuses lines that are too many or too long.
pub fn check_lines(lines: &[PluginLine]) -> StoreResult<()> {
    if lines.len() > PLUGIN_BATCH_MAX {
        return Err(StoreError::Invalid("batch"));
    }
    let fits = |line: &PluginLine| line.text.len() <= PLUGIN_LINE_MAX_BYTES;
    if lines.iter().all(fits) { Ok(()) } else { Err(StoreError::Invalid("line")) }
}

/// Which keys are looked for.
#[derive(Debug, Clone, Copy)]
pub struct PluginKeys<'a> {
    /// How they begin.
    pub prefix: &'a str,
    /// After which they come.
    pub after: Option<&'a str>,
    /// Most of them.
    pub limit: u32,
    /// Now.
    pub now: Timestamp,
}

impl PluginKeys<'_> {
    /// The bytes from which on the keys are, and those before which they are.
    pub fn range(&self) -> (Vec<u8>, Vec<u8>) {
        let mut from = self.prefix.as_bytes().to_vec();
        if let Some(after) = self.after.filter(|after| *after >= self.prefix) {
            // The first key behind a key is that key and a zero.
            from = [after.as_bytes(), &[0]].concat();
        }
        // No text has this byte.
        (from, [self.prefix.as_bytes(), &[0xff]].concat())
    }

    /// The number of keys within its bounds.
    pub fn rows(&self) -> u32 {
        self.limit.min(PLUGIN_KEYS_MAX)
    }
}
