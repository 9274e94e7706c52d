/* Many graphql-transport-ws subscribers in one process, for benchmarks: cc -O2 -o subscribers subscribers.c
 *
 *   subscribers -p PORT -u PATH -n CONNECTIONS [-H HEADER]... [-i INIT] [-s SUBSCRIBE] [-e EVENTS] [-w WARM] [-q QUIET_S]
 *               [-t LIMIT_S] [-a FILE] [-T TOPICS] [-d DEAD]
 *
 * Connects to 127.0.0.1, sends connection_init with the JSON INIT, waits for all acknowledgements, subscribes with the
 * JSON payload SUBSCRIBE (none: stays idle), waits until each has had a text with ~t0~hello (none: a second), prints "READY" and
 * reads until each connection has had EVENTS events, nothing came for QUIET_S, LIMIT_S have passed, or SIGTERM. Then prints
 * one line of JSON.
 *
 * An event is a text frame that holds ~t<unix time in ns>~s<number>~ : its latency is the time of reading less that time,
 * its number tells loss and order. Numbers below WARM are counted, but their latency is not. With -a each measured event
 * is also written to FILE as two int64: its number, and when it was read (unix ns).
 *
 * With -T the text ######## in SUBSCRIBE becomes the connection's number modulo TOPICS, in eight digits. With -d the last
 * DEAD connections read nothing once all stand, and are not counted; at the end they read what is there, for at most
 * 40 s: how many were closed with a code is told.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 1 << 18, WIDTH_US = 50, BUCKETS = 1 << 21 }; /* latencies to 104 s, in steps of 50 us */
enum stage { HANDSHAKE, ASKED, ACKED, GONE };

struct subscriber {
    int socket;
    enum stage stage;
    int stands; /* its subscription has told something */
    size_t held; /* bytes of an unfinished frame, kept in `rest` */
    size_t room;
    char *rest;
    int64_t last; /* number of the newest event */
};

static struct subscriber *all;
static int total, standing, acked, gone, close_code, topics, dead, closed_dead;
static int64_t received, measured, lost, disordered, errors, bytes, newest_ns;
static int64_t warm;
static int measuring = 1;
static uint32_t *latency;
static int64_t worst_us;
static const char *init_payload, *subscribe_payload;
static char first_error[256];
static FILE *arrivals;
static volatile sig_atomic_t ended;

static void on_signal(int signal) {
    (void)signal;
    ended = 1;
}

static int64_t now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    return at.tv_sec * INT64_C(1000000000) + at.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(2);
}

static void note(const char *text, size_t size) {
    errors++;
    if (first_error[0]) return;
    size_t kept = 0;
    for (; kept < size && kept < sizeof first_error - 1; kept++) {
        char c = text[kept];
        first_error[kept] = c == '"' || c == '\\' || (unsigned char)c < 32 ? '.' : c;
    }
    first_error[kept] = 0;
}

/* Sends one masked frame (RFC 6455 section 5.2; the mask is zero, which leaves the payload as it is). */
static void transmit(struct subscriber *to, int opcode, const char *payload, size_t size) {
    unsigned char head[14] = {(unsigned char)(0x80 | opcode)};
    size_t used = 2;
    if (size < 126) {
        head[1] = (unsigned char)(0x80 | size);
    } else {
        head[1] = 0x80 | 126;
        head[2] = (unsigned char)(size >> 8);
        head[3] = (unsigned char)size;
        used = 4;
    }
    memset(head + used, 0, 4);
    used += 4;
    struct iovec parts[2] = {{head, used}, {(void *)payload, size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    if (sendmsg(to->socket, &message, MSG_NOSIGNAL) != (ssize_t)(used + size)) note("short write", 11);
}

static void lose(struct subscriber *one) {
    if (one->stage == GONE) return;
    one->stage = GONE;
    close(one->socket);
    gone++;
}

static void event(struct subscriber *one, const char *mark, int64_t at) {
    char *rest;
    int64_t sent = strtoll(mark + 2, &rest, 10);
    if (strncmp(rest, "~s", 2)) {
        standing += !one->stands;
        one->stands = 1;
        return;
    }
    int64_t number = strtoll(rest + 2, &rest, 10);
    received++;
    newest_ns = at;
    if (number <= one->last) disordered++;
    else {
        lost += number - one->last - 1;
        one->last = number;
    }
    if (number < warm || !measuring) return;
    measured++;
    int64_t us = (at - sent) / 1000;
    if (us < 0) us = 0;
    if (us > worst_us) worst_us = us;
    int64_t bucket = us / WIDTH_US;
    latency[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    if (arrivals) {
        int64_t row[2] = {number, at};
        fwrite(row, sizeof row, 1, arrivals);
    }
}

static void text(struct subscriber *one, const char *payload, size_t size, int64_t at) {
    const char *mark = one->stage == ACKED ? memmem(payload, size, "~t", 2) : NULL;
    if (mark) {
        event(one, mark, at);
    } else if (one->stage == ASKED && memmem(payload, size, "\"connection_ack\"", 16)) {
        one->stage = ACKED;
        acked++;
    } else if (memmem(payload, size, "\"ping\"", 6)) {
        transmit(one, 1, "{\"type\":\"pong\"}", 15);
    } else {
        note(payload, size);
    }
}

static const char *greeted(struct subscriber *one, const char *from, const char *end) {
    const char *blank = memmem(from, (size_t)(end - from), "\r\n\r\n", 4);
    if (!blank) return from;
    if (strncmp(from, "HTTP/1.1 101", 12)) {
        note(from, (size_t)(blank - from));
        lose(one);
        return end;
    }
    one->stage = ASKED;
    char message[8192];
    int size = snprintf(message, sizeof message, "{\"type\":\"connection_init\",\"payload\":%s}", init_payload);
    transmit(one, 1, message, (size_t)size);
    return blank + 4;
}

/* Takes the whole frames of a run of bytes; returns where an unfinished one begins. */
static const char *take(struct subscriber *one, const char *from, const char *end, int64_t at) {
    if (one->stage == HANDSHAKE) from = greeted(one, from, end);
    if (one->stage == HANDSHAKE) return from;
    while (one->stage != GONE && end - from >= 2) {
        const unsigned char *head = (const unsigned char *)from;
        uint64_t size = head[1] & 127;
        size_t used = 2;
        if (size >= 126) {
            used = size == 126 ? 4 : 10;
            if ((size_t)(end - from) < used) break;
            size = 0;
            for (size_t i = 2; i < used; i++) size = size << 8 | head[i];
        }
        if ((uint64_t)(end - from) < used + size) break;
        const char *payload = from + used;
        int opcode = head[0] & 15;
        if (opcode == 1) text(one, payload, size, at);
        else if (opcode == 9) transmit(one, 10, payload, size);
        else if (opcode == 8) {
            if (size >= 2) close_code = head[used] << 8 | head[used + 1];
            if (size >= 2 && one >= all + total - dead) closed_dead++;
            lose(one);
        }
        from = payload + size;
    }
    return from;
}

static void readable(struct subscriber *one) {
    static char buffer[2 * ROOM];
    for (int turn = 0; turn < 4 && one->stage != GONE; turn++) {
        char *start = buffer;
        size_t held = one->held;
        if (held >= ROOM) {
            note("frame too large", 15);
            lose(one);
            return;
        }
        memcpy(start, one->rest, held);
        ssize_t got = recv(one->socket, start + held, sizeof buffer - held, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (got <= 0) {
            lose(one);
            return;
        }
        bytes += got;
        const char *end = start + held + got;
        const char *left = take(one, start, end, now_ns());
        one->held = (size_t)(end - left);
        if (one->held > one->room) {
            one->room = one->held * 2;
            one->rest = realloc(one->rest, one->room);
            if (!one->rest) fail("realloc");
        }
        memcpy(one->rest, left, one->held);
        if ((size_t)got < sizeof buffer - held) return;
    }
}

static void turn(int poll, int wait_ms) {
    struct epoll_event events[256];
    int count = epoll_wait(poll, events, 256, wait_ms);
    for (int i = 0; i < count; i++) {
        struct subscriber *one = events[i].data.ptr;
        if (one->stage != GONE) readable(one);
    }
}

static void join(int poll, struct subscriber *one, int port, const char *request, size_t size) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    one->last = -1;
    one->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (one->socket < 0) fail("socket");
    if (connect(one->socket, (struct sockaddr *)&to, sizeof to)) fail("connect");
    int on = 1;
    setsockopt(one->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (send(one->socket, request, size, MSG_NOSIGNAL) != (ssize_t)size) fail("send");
    fcntl(one->socket, F_SETFL, O_NONBLOCK);
    struct epoll_event interest = {.events = EPOLLIN, .data.ptr = one};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, one->socket, &interest)) fail("epoll_ctl");
}

static double percentile_ms(double share) {
    int64_t wanted = (int64_t)((double)measured * share + 0.999999), seen = 0;
    for (int i = 0; i < BUCKETS; i++)
        if ((seen += latency[i]) >= wanted && seen) return (i + 1) * WIDTH_US / 1e3;
    return 0;
}

int main(int count, char **words) {
    int option, port = 0;
    int64_t expected = 0;
    double quiet_s = 3, limit_s = 60;
    const char *path = "/";
    char headers[4096] = "", request[8192];
    total = 1;
    init_payload = "{}";
    while ((option = getopt(count, words, "p:u:n:H:i:s:e:w:q:t:a:T:d:")) != -1) switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'u': path = optarg; break;
        case 'n': total = atoi(optarg); break;
        case 'H':
            if (strlen(headers) + strlen(optarg) + 3 > sizeof headers) return 2;
            strcat(strcat(headers, optarg), "\r\n");
            break;
        case 'i': init_payload = optarg; break;
        case 's': subscribe_payload = optarg; break;
        case 'e': expected = atoll(optarg); break;
        case 'w': warm = atoll(optarg); break;
        case 'q': quiet_s = atof(optarg); break;
        case 't': limit_s = atof(optarg); break;
        case 'T': topics = atoi(optarg); break;
        case 'd': dead = atoi(optarg); break;
        case 'a':
            if (!(arrivals = fopen(optarg, "wb"))) fail(optarg);
            break;
        default: return 2;
        }
    struct sigaction stop = {.sa_handler = on_signal};
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    all = calloc((size_t)total, sizeof *all);
    latency = calloc(BUCKETS, sizeof *latency);
    if (!all || !latency) fail("calloc");
    int poll = epoll_create1(0);
    int size = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                        "Sec-WebSocket-Protocol: graphql-transport-ws\r\n%s\r\n",
                        path, port, headers);
    int64_t began = now_ns(), until = began + (int64_t)(limit_s * 1e9);
    for (int i = 0; i < total; i++) {
        join(poll, &all[i], port, request, (size_t)size);
        turn(poll, i % 16 ? 0 : 2);
    }
    while (!ended && acked + gone < total && now_ns() < until) turn(poll, 20);
    double ack_s = (double)(now_ns() - began) / 1e9;
    for (int i = 0; subscribe_payload && i < total; i++) {
        if (all[i].stage != ACKED) continue;
        char message[16384];
        int used = snprintf(message, sizeof message,
                            "{\"id\":\"%08x-5b1e-4c3d-9a7f-%012x\",\"type\":\"subscribe\",\"payload\":%s}", i * 2654435761u, i,
                            subscribe_payload);
        char *place = topics ? memmem(message, (size_t)used, "########", 8) : NULL;
        if (place) {
            char digits[16];
            snprintf(digits, sizeof digits, "%08d", i % topics);
            memcpy(place, digits, 8);
        }
        transmit(&all[i], 1, message, (size_t)used);
        turn(poll, 0);
    }
    while (subscribe_payload && !ended && standing + gone < total && now_ns() < until) turn(poll, 20);
    for (int64_t settle = now_ns() + 1000000000; !subscribe_payload && now_ns() < settle;) turn(poll, 20);
    for (int i = total - dead; i < total; i++) epoll_ctl(poll, EPOLL_CTL_DEL, all[i].socket, NULL);
    printf("READY\n");
    fflush(stdout);
    int living = total - dead;
    while (!ended && gone < total && now_ns() < until) {
        turn(poll, 50);
        if (expected && received >= expected * living) break;
        if (newest_ns && now_ns() - newest_ns > (int64_t)(quiet_s * 1e9)) break;
    }
    int64_t counted = received, missed = lost;
    for (int i = total - dead; i < total; i++) {
        struct epoll_event interest = {.events = EPOLLIN, .data.ptr = &all[i]};
        if (all[i].stage != GONE) epoll_ctl(poll, EPOLL_CTL_ADD, all[i].socket, &interest);
    }
    measuring = 0;
    int were = gone;
    for (int64_t stop_at = now_ns() + 40000000000; dead && gone < were + dead && now_ns() < stop_at;) turn(poll, 50);
    if (arrivals && fclose(arrivals)) fail("arrivals");
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("{\"acked\":%d,\"ack_s\":%.3f,\"received\":%ld,\"measured\":%ld,\"missing\":%ld,\"gaps\":%ld,\"disordered\":%ld,"
           "\"p50_ms\":%.3f,\"p95_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,\"gone\":%d,\"close_code\":%d,\"errors\":%ld,"
           "\"first_error\":\"%s\",\"closed_dead\":%d,\"mbytes\":%.1f,\"client_cpu_s\":%.3f}\n",
           acked, ack_s, counted, measured, expected * living - counted, missed, disordered, percentile_ms(.5),
           percentile_ms(.95), percentile_ms(.99), (double)worst_us / 1e3, gone, close_code, errors, first_error,
           closed_dead, (double)bytes / 1e6,
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
    return 0;
}
