// rig: a load generator apart from ramai rehearse, for the plain protocol, in one thread.
//
//     rig PORT PID CLIENTS TALKERS LOOP SIZE SECONDS
//
// connects CLIENTS to 127.0.0.1:PORT. The first TALKERS publish texts of SIZE bytes for SECONDS: with LOOP above 0 each
// keeps so many in flight, with LOOP below 0 all of them together publish -LOOP a second, each due at a fixed time.
// Every client checks that it receives every text of every talker once, in order and unchanged. The result is one line
// of JSON with the processor time of the process PID, the server.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { HEAD = 16, MOST = 4000, READ = 256 << 10, WINDOW = 1 << 16, FINE = 256 };

// client is one connection. The texts of one talker have the sequence numbers 1, 2, 3, and so on.
struct client {
	int fd, in_flight;
	uint32_t *seen;      // by talker: the sequence number of the text received last
	uint64_t got, order; // texts, and a hash of their order
	char *part;          // the beginning of a frame
	size_t part_len;
	char *out; // a talker's frames that the socket has not accepted
	size_t out_len, out_cap;
	uint32_t sent;
	int64_t *due; // of its texts, by sequence number modulo WINDOW, in nanoseconds
};

static struct client *clients;
static int n_clients, n_talkers, in_flight, size, publishing, epoll;
static double rate;
static uint64_t total, lost, again, published, waits[(40 - 8 + 1) * FINE];
static char frame_head[4], padding[MOST], buf[MOST + 16 + READ];
static size_t frame_head_len;

static void die(const char *what) {
	fprintf(stderr, "rig: %s: %s\n", what, errno ? strerror(errno) : "unexpected");
	exit(1);
}

static int64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

// A text is HEAD letters, '@' for 0 to 'O' for 15: eight for the sequence number, eight for the talker; and padding.
static uint64_t letters(uint64_t v) {
	v = (v | v << 16) & 0x0000ffff0000ffff;
	v = (v | v << 8) & 0x00ff00ff00ff00ff;
	v = (v | v << 4) & 0x0f0f0f0f0f0f0f0f;
	return v ^ 0x4040404040404040;
}

static int from_letters(const char *p, uint32_t *v) {
	uint64_t w;
	memcpy(&w, p, 8);
	w ^= 0x4040404040404040;
	int ok = (w & 0xf0f0f0f0f0f0f0f0) == 0;
	w = (w | w >> 4) & 0x00ff00ff00ff00ff;
	w = (w | w >> 8) & 0x0000ffff0000ffff;
	*v = (uint32_t)(w | w >> 16);
	return ok;
}

static void record(int64_t ns) {
	uint64_t v = ns < 0 ? 0 : ns >> 40 ? (1LL << 40) - 1 : ns;
	int shift = v < 2 * FINE ? 0 : 64 - __builtin_clzll(v) - 9;
	waits[shift * FINE + (v >> shift)]++;
}

static double quantile_ms(double q) {
	uint64_t sum = 0, below = 0;
	size_t i = 0, n = sizeof waits / sizeof *waits;
	for (size_t k = 0; k < n; k++)
		sum += waits[k];
	while (i < n && (below += waits[i]) < q * sum)
		i++;
	size_t shift = i < 2 * FINE ? 0 : i / FINE - 1;
	return (double)((i - shift * FINE) << shift) / 1e6;
}

// transmit writes what is queued; the rest waits for EPOLLOUT.
static void transmit(struct client *c) {
	while (c->out_len > 0) {
		ssize_t n = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			die("send");
		memmove(c->out, c->out + n, c->out_len -= n);
	}
}

// queue queues a talker's next text, as a masked frame.
static void queue(struct client *c, int64_t due) {
	static uint32_t random = 2463534242;
	random ^= random << 13, random ^= random >> 17, random ^= random << 5;
	if (c->out_len + size + 8 > c->out_cap && !(c->out = realloc(c->out, c->out_cap = 2 * c->out_cap + size + 8)))
		die("realloc");
	c->due[++c->sent % WINDOW] = due;
	published++;
	c->in_flight++;
	uint64_t head[2] = {letters(c->sent), letters(c - clients)};
	char *p = c->out + c->out_len, *mask = (char *)&random;
	memcpy(p, frame_head, frame_head_len);
	p[1] |= (char)0x80;
	memcpy(p + frame_head_len, mask, 4);
	p += frame_head_len + 4;
	for (int i = 0; i < size; i++)
		p[i] = (i < HEAD ? ((char *)head)[i] : padding[i - HEAD]) ^ mask[i % 4];
	c->out_len += frame_head_len + 4 + size;
}

static void top_up(struct client *c, int64_t t) {
	while (publishing && c->in_flight < in_flight)
		queue(c, t);
	transmit(c);
}

// check checks a text that client c received at time t.
static void check(struct client *c, const char *text, int64_t t) {
	uint32_t seq, talker;
	if (!from_letters(text, &seq) || !from_letters(text + 8, &talker) || talker >= (uint32_t)n_talkers ||
	    seq - 1 >= clients[talker].sent || memcmp(text + HEAD, padding, size - HEAD) != 0)
		errno = 0, die("received a text that was not published");
	uint32_t *seen = &c->seen[talker];
	if (seq <= *seen && ++again)
		return;
	lost += seq - *seen - 1;
	*seen = seq;
	c->got++, total++;
	c->order = (c->order ^ (uint64_t)talker << 32 ^ seq) * 0x9e3779b97f4a7c15;
	record(t - clients[talker].due[seq % WINDOW]);
	if (c == &clients[talker])
		c->in_flight--;
}

// frames checks all whole frames at the beginning of b, and returns their length. Frames of another length, such as the
// greeting and pings, are skipped.
static size_t frames(struct client *c, const char *b, size_t len, int64_t t) {
	size_t used = 0;
	for (;;) {
		const uint8_t *p = (const uint8_t *)b + used;
		size_t left = len - used, head = 2, body;
		if (left >= frame_head_len + size && memcmp(p, frame_head, frame_head_len) == 0) {
			check(c, (const char *)p + frame_head_len, t);
			used += frame_head_len + size;
			continue;
		}
		if (left < 4)
			return used;
		if ((body = p[1]) == 126)
			head = 4, body = p[2] << 8 | p[3];
		if (body > MOST || p[0] == 0x88)
			errno = 0, die("the server closed a connection, or sent a frame that is too long");
		if (left < head + body)
			return used;
		used += head + body;
	}
}

// receive reads until the socket is empty: it is registered edge-triggered.
static void receive(struct client *c) {
	for (;;) {
		memcpy(buf, c->part, c->part_len);
		ssize_t n = recv(c->fd, buf + c->part_len, READ, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			die("recv");
		int64_t t = now();
		size_t len = c->part_len + n, used = frames(c, buf, len, t);
		if ((c->part_len = len - used) > 0) {
			if (!c->part && !(c->part = malloc(MOST + 16)))
				die("malloc");
			memcpy(c->part, buf + used, c->part_len);
		}
		if (c < clients + n_talkers && in_flight > 0)
			top_up(c, t);
		if (n < READ)
			return;
	}
}

static void dial(struct client *c, int port) {
	int i = c - clients, one = 1;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f010000 + i % 50)}; // to have more ports
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (c->fd < 0 || bind(c->fd, (void *)&from, sizeof from) || connect(c->fd, (void *)&to, sizeof to))
		die("connect");
	static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: cmFtYWkgcmVoZWFyc2FsIQ==\r\n\r\n";
	if (send(c->fd, request, sizeof request - 1, 0) < 0)
		die("send");
	for (int len = 0; len < 4 || memcmp(buf + len - 4, "\r\n\r\n", 4) != 0; len++) // nothing after the answer is lost
		if (len == MOST || recv(c->fd, buf + len, 1, 0) <= 0)
			die("the answer to the upgrade");
	if (memcmp(buf, "HTTP/1.1 101", 12) != 0)
		errno = 0, die("the upgrade was refused");
	struct epoll_event e = {.events = EPOLLIN | EPOLLET | (i < n_talkers ? EPOLLOUT : 0), .data.ptr = c};
	c->seen = calloc(n_talkers + 1, sizeof *c->seen);
	c->due = i < n_talkers ? calloc(WINDOW, sizeof *c->due) : NULL;
	if (!c->seen || epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e))
		die("epoll_ctl");
}

// cpu returns the processor time that a process has used, in seconds: fields 14 and 15 of proc(5).
static double cpu(const char *pid) {
	char path[64], stat[1024];
	unsigned long user, sys;
	snprintf(path, sizeof path, "/proc/%s/stat", pid);
	FILE *f = fopen(path, "r");
	if (!f)
		die(path);
	stat[fread(stat, 1, sizeof stat - 1, f)] = 0;
	fclose(f);
	char *end = strrchr(stat, ')');
	if (!end || sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) != 2)
		errno = 0, die(path);
	return (double)(user + sys) / sysconf(_SC_CLK_TCK);
}

// run publishes until the time is over, and returns when everything is received, or nothing has been for 5 seconds.
static void run(int64_t start, int64_t length, int timer) {
	struct epoll_event events[256];
	uint64_t next = 0, before = 0;
	int64_t heard = start;
	for (int i = 0; i < n_talkers && in_flight > 0; i++)
		top_up(&clients[i], start);
	for (;;) {
		int n = epoll_wait(epoll, events, 256, 100);
		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;
			uint64_t ticks;
			if (!c && read(timer, &ticks, sizeof ticks) < 0)
				die("timerfd");
			if (c && events[i].events & EPOLLOUT)
				transmit(c);
			if (c && events[i].events & ~EPOLLOUT)
				receive(c);
		}
		int64_t t = now();
		publishing = t < start + length;
		for (int64_t due; rate > 0 && (due = start + next * 1e9 / rate) <= t && due < start + length; next++)
			queue(&clients[next % n_talkers], due), transmit(&clients[next % n_talkers]);
		heard = total != before ? t : heard, before = total;
		if (!publishing && (total == published * n_clients || t > heard + 5000000000LL))
			return;
	}
}

int main(int argc, char **argv) {
	if (argc != 8 || (size = atoi(argv[6])) < HEAD || size > MOST || atoi(argv[4]) > atoi(argv[3]) || atof(argv[5]) == 0)
		return fprintf(stderr, "usage: rig PORT PID CLIENTS TALKERS LOOP SIZE SECONDS; see rig.c\n"), 2;
	n_clients = atoi(argv[3]), n_talkers = atoi(argv[4]);
	in_flight = atof(argv[5]) > 0 ? atoi(argv[5]) : 0, rate = atof(argv[5]) < 0 ? -atof(argv[5]) : 0;
	struct rlimit most;
	if (getrlimit(RLIMIT_NOFILE, &most) == 0)
		most.rlim_cur = most.rlim_max, setrlimit(RLIMIT_NOFILE, &most);
	memset(padding, '.', sizeof padding);
	frame_head[0] = (char)0x81, frame_head[1] = size < 126 ? size : 126, frame_head[2] = size >> 8, frame_head[3] = size;
	frame_head_len = size < 126 ? 2 : 4;
	if ((epoll = epoll_create1(EPOLL_CLOEXEC)) < 0 || !(clients = calloc(n_clients, sizeof *clients)))
		die("start");
	for (int i = 0; i < n_clients; i++)
		dial(&clients[i], atoi(argv[1]));
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct itimerspec every = {{0, 1000000}, {0, 1000000}};
	struct epoll_event e = {.events = EPOLLIN};
	if (rate > 0 && (timerfd_settime(timer, 0, &every, NULL) || epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &e)))
		die("timerfd");
	usleep(500000); // greetings, and what the server does after connections
	publishing = 1;
	double server = cpu(argv[2]), own = cpu("self");
	int64_t start = now();
	run(start, atof(argv[7]) * 1e9, timer);
	double seconds = (now() - start) / 1e9;
	server = cpu(argv[2]) - server, own = cpu("self") - own;
	lost = published * n_clients - total;
	int orders = 0; // clients that received in another order than the first
	for (int i = 1; i < n_clients; i++)
		orders += clients[i].order != clients[0].order && clients[i].got == clients[0].got;
	printf("{\"published\":%lu,\"delivered\":%lu,\"lost\":%lu,\"again\":%lu,\"orders\":%d,\"seconds\":%.3f,"
	       "\"deliveries_per_second\":%.0f,\"server_cpu_seconds\":%.2f,\"own_cpu_seconds\":%.2f,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n",
	       published, total, lost, again, orders, seconds, total / seconds, server, own, quantile_ms(0.5), quantile_ms(0.99));
	return lost || again;
}
