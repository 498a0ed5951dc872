// A subscriber: hears what happens. `justping plugin build` makes plugin.h of the contract.
#include <stdlib.h>
#include <string.h>

#include "plugin.h"

void exports_justping_plugin_subscriber_interests(plugin_list_string_t *ret) {
  ret->ptr = malloc(sizeof(plugin_string_t));
  ret->len = ret->ptr ? 1 : 0;
  if (ret->ptr) plugin_string_dup(ret->ptr, "conversation.*");
}

static void tell(const exports_justping_plugin_subscriber_event_t *event) {
  size_t length = event->name.len + 1 + event->id.len;
  plugin_string_t line = {malloc(length), length};
  if (!line.ptr) return;
  memcpy(line.ptr, event->name.ptr, event->name.len);
  line.ptr[event->name.len] = ' ';
  memcpy(line.ptr + event->name.len + 1, event->id.ptr, event->id.len);
  justping_plugin_log_write(JUSTPING_PLUGIN_LOG_LEVEL_INFO, &line);
  free(line.ptr);
}

bool exports_justping_plugin_subscriber_handle(
    exports_justping_plugin_subscriber_list_event_t *events,
    exports_justping_plugin_subscriber_failure_t *failure) {
  (void)failure;
  for (size_t i = 0; i < events->len; i++) tell(&events->ptr[i]);
  exports_justping_plugin_subscriber_list_event_free(events);
  return true;
}
