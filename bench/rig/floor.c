// floor: the least that a server of the plain chat can do: one thread that unmasks the messages of a pass of its loop, and
// writes them to every socket in one call. It stores nothing, knows no rooms, and does not even answer the key of the
// handshake. Usage: floor PORT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct buffer {
	char *b;
	size_t len, cap;
};

struct conn {
	int fd, upgraded;
	struct buffer in, out; // out: what the socket has not accepted
};

static struct conn **conns;
static int n_conns, epoll, listener;
static struct buffer pass; // frames to be written after this pass

static void die(const char *what) {
	perror(what);
	exit(1);
}

static void add(struct buffer *d, const void *b, size_t n) {
	if (d->len + n > d->cap && !(d->b = realloc(d->b, d->cap = 2 * (d->len + n))))
		die("realloc");
	memcpy(d->b + d->len, b, n);
	d->len += n;
}

static void drop(struct buffer *d, size_t n) {
	memmove(d->b, d->b + n, d->len -= n);
	if (d->len == 0)
		free(d->b), memset(d, 0, sizeof *d);
}

// put writes b after what the socket has not accepted yet.
static void put(struct conn *c, const char *b, size_t n) {
	ssize_t sent = 0;
	if (c->out.len == 0 && (sent = send(c->fd, b, n, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0)
		sent = 0;
	if ((size_t)sent < n)
		add(&c->out, b + sent, n - sent);
}

static void frames(struct conn *c) {
	size_t used = 0;
	for (;;) {
		unsigned char *p = (unsigned char *)c->in.b + used;
		size_t left = c->in.len - used, head = 2, body;
		if (left < 4 || ((body = p[1] & 0x7f) == 126 && (head = 4, body = p[2] << 8 | p[3], 0)) || left < head + 4 + body)
			break;
		unsigned char *mask = p + head, *text = mask + 4;
		for (size_t i = 0; i < body; i++)
			text[i] ^= mask[i % 4];
		p[1] &= 0x7f;
		if (p[0] == 0x81)
			add(&pass, p, head), add(&pass, text, body);
		used += head + 4 + body;
	}
	if (used > 0)
		drop(&c->in, used);
}

static void hang_up(struct conn *c) {
	close(c->fd);
	for (int i = 0; i < n_conns; i++)
		if (conns[i] == c)
			conns[i] = conns[--n_conns];
	free(c->in.b), free(c->out.b), free(c);
}

static void take(struct conn *c) {
	static char b[64 << 10];
	ssize_t n = recv(c->fd, b, sizeof b, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		return hang_up(c);
	add(&c->in, b, n);
	char *end = c->upgraded ? NULL : memmem(c->in.b, c->in.len, "\r\n\r\n", 4);
	if (end) {
		static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x07welcome";
		c->upgraded = 1;
		drop(&c->in, end + 4 - c->in.b);
		put(c, answer, sizeof answer - 1);
	}
	if (c->upgraded)
		frames(c);
}

static void welcome(void) {
	for (int fd, one = 1; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
		struct conn *c = calloc(1, sizeof *c);
		struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
		conns = realloc(conns, (n_conns + 1) * sizeof *conns);
		if (!c || !conns || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e))
			die("accept");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		c->fd = fd;
		conns[n_conns++] = c;
	}
}

int main(int argc, char **argv) {
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? atoi(argv[1]) : 0), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event events[256], e = {.events = EPOLLIN};
	struct rlimit most;
	getrlimit(RLIMIT_NOFILE, &most);
	most.rlim_cur = most.rlim_max;
	setrlimit(RLIMIT_NOFILE, &most);
	int one = 1;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(listener, (void *)&at, sizeof at) || listen(listener, 4096) || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e))
		die("listen");
	for (;;) {
		int n = epoll_wait(epoll, events, 256, -1);
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;
			if (!c) {
				welcome();
				continue;
			}
			if (events[i].events & EPOLLOUT && c->out.len > 0) {
				struct buffer rest = c->out;
				memset(&c->out, 0, sizeof c->out);
				put(c, rest.b, rest.len);
				free(rest.b);
			}
			if (events[i].events & ~EPOLLOUT)
				take(c);
		}
		for (int i = 0; i < n_conns && pass.len > 0; i++)
			if (conns[i]->upgraded)
				put(conns[i], pass.b, pass.len);
		pass.len = 0;
	}
}
