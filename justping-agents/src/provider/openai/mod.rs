//! Servers that speak the protocol of OpenAI's chat completions.
