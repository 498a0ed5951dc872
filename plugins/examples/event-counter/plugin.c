// A subscriber that counts events by name, each once, however often it is told.
#include <stdlib.h>
#include <string.h>

#include "plugin.h"

// How long an event is remembered, in milliseconds: a day.
static const uint64_t REMEMBERED_MS = 86400000;
// Most bytes of a key or a line, its end included.
#define TEXT_MAX 160

static const char *const INTERESTS[] = {"conversation.*", "session.status"};
#define INTERESTS_COUNT (sizeof INTERESTS / sizeof INTERESTS[0])

void exports_justping_plugin_subscriber_interests(plugin_list_string_t *ret) {
  ret->ptr = malloc(INTERESTS_COUNT * sizeof(plugin_string_t));
  ret->len = ret->ptr ? INTERESTS_COUNT : 0;
  for (size_t i = 0; i < ret->len; i++) plugin_string_dup(&ret->ptr[i], INTERESTS[i]);
}

// Puts a word and a text together, as much as fits; returns the length.
static size_t join(char *into, const char *word, const plugin_string_t *text) {
  size_t length = strlen(word);
  size_t rest = TEXT_MAX - 1 - length;
  size_t taken = text->len < rest ? text->len : rest;
  memcpy(into, word, length);
  memcpy(into + length, text->ptr, taken);
  into[length + taken] = '\0';
  return length + taken;
}

// Says in the log that an event was counted.
static void tell(const plugin_string_t *name, int64_t count) {
  char digits[21];
  size_t start = sizeof digits;
  do digits[--start] = (char)('0' + count % 10); while ((count /= 10) > 0);
  char line[TEXT_MAX + sizeof digits];
  size_t length = join(line, "", name);
  memcpy(line + length, ": ", 2);
  memcpy(line + length + 2, digits + start, sizeof digits - start);
  plugin_string_t text = {(uint8_t *)line, length + 2 + sizeof digits - start};
  justping_plugin_log_write(JUSTPING_PLUGIN_LOG_LEVEL_INFO, &text);
}

// Counts an event that was not counted yet.
static bool count(const exports_justping_plugin_subscriber_event_t *event,
                  justping_plugin_kv_error_t *error) {
  char seen_text[TEXT_MAX], count_text[TEXT_MAX];
  plugin_string_t seen = {(uint8_t *)seen_text, join(seen_text, "seen/", &event->id)};
  plugin_option_list_u8_t before;
  if (!justping_plugin_kv_get(&seen, &before, error)) return false;
  bool is_new = !before.is_some;
  plugin_option_list_u8_free(&before);
  if (!is_new) return true;
  plugin_string_t key = {(uint8_t *)count_text, join(count_text, "count/", &event->name)};
  int64_t sum;
  if (!justping_plugin_kv_increment(&key, 1, &sum, error)) return false;
  uint8_t one = 1;
  plugin_list_u8_t mark = {&one, 1};
  uint64_t remembered = REMEMBERED_MS;
  if (!justping_plugin_kv_set(&seen, &mark, &remembered, error)) return false;
  tell(&event->name, sum);
  return true;
}

bool exports_justping_plugin_subscriber_handle(
    exports_justping_plugin_subscriber_list_event_t *events,
    exports_justping_plugin_subscriber_failure_t *failure) {
  justping_plugin_kv_error_t error;
  bool is_counted = true;
  for (size_t i = 0; is_counted && i < events->len; i++) is_counted = count(&events->ptr[i], &error);
  exports_justping_plugin_subscriber_list_event_free(events);
  if (is_counted) return true;
  justping_plugin_kv_error_free(&error);
  plugin_string_dup(&failure->code, "not_counted");
  plugin_string_dup(&failure->message, "the counts cannot be kept");
  failure->retry_after_ms = (plugin_option_u64_t){.is_some = true, .val = 1000};
  return false;
}
