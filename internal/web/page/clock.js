// The server's clock, as far as it is known.

/** ahead: ms that this clock is ahead of the server's */
export const clock = { ahead: 0 };
