//! The chat socket, spoken to by a plain WebSocket client.
