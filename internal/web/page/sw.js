// The service worker. With it the page can be installed, and can show notifications on phones, where only service workers
// may. It handles no requests, so a page is never older than the server.
//
// data of a notification: {url}, the address to open, of this origin. A page that is open is focused, and gets the message
// {open: url}.

/** @type {any} */
const worker = self;

worker.addEventListener("install", () => worker.skipWaiting());
worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener("notificationclick", (/** @type {any} */ event) => {
	event.notification.close();
	event.waitUntil(showPage(new URL(event.notification.data?.url ?? "/", worker.location.origin)));
});

/** @param {URL} url */
async function showPage(url) {
	if (url.origin !== worker.location.origin) return;
	const pages = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
	const page = pages.find((/** @type {any} */ p) => p.url.split("#")[0] === url.href.split("#")[0]) ?? pages[0];
	if (!page) return worker.clients.openWindow(url.href);
	await page.focus();
	page.postMessage({ open: url.href });
}
