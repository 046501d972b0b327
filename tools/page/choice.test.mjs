// node --test: when the client uses HTTP, and when it tries a WebSocket again.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { TransportChoice } from "../../internal/web/page/ramai/choice.js";

beforeEach(() => mock.timers.enable({ apis: ["Date"], now: 1_000_000 }));
afterEach(() => mock.timers.reset());

/** A WebSocket that ends without an answer. */
const fail = (/** @type {TransportChoice} */ c) => {
	c.socketBegins();
	c.ended();
};

test("two WebSockets without an answer lead to HTTP, after one more attempt", () => {
	const c = new TransportChoice("auto");
	fail(c);
	assert.equal(c.http, false);
	fail(c);
	assert.equal(c.http, true);
	assert.equal(c.reachedOverHTTP(), false, "the server may just have come back");
	assert.equal(c.http, false);
	fail(c);
	assert.equal(c.http, true);
	assert.equal(c.reachedOverHTTP(), true);
	assert.equal(c.upgrade, false);
	mock.timers.tick(60_001);
	assert.deepEqual([c.upgrade, c.http], [true, false]);
});

test("a WebSocket that worked, or no server at all, does not count", () => {
	const c = new TransportChoice("auto");
	fail(c);
	c.socketBegins();
	c.socketWorks();
	c.ended();
	fail(c);
	assert.equal(c.http, false);
	fail(c);
	c.noServer();
	assert.equal(c.http, false);
});

test("a fixed transport is kept", () => {
	const [socket, http] = [new TransportChoice("socket"), new TransportChoice("http")];
	for (let i = 0; i < 3; i++) fail(socket);
	mock.timers.tick(60_001);
	assert.deepEqual([socket.http, socket.upgrade, http.http, http.upgrade, http.reachedOverHTTP()], [false, false, true, false, true]);
});
