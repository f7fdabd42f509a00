/* Both ends of the benchmark's traffic, so small that what is measured lies between them.
 *   traffic serve ADDRESS PORT         echoes 'p' connections, swallows 'b' connections; says "ready"
 *   traffic ping ADDRESS PORT SIZE N   N round trips of SIZE bytes; prints each in nanoseconds, one a line
 *   traffic bulk ADDRESS PORT MS       sends for MS milliseconds; prints bytes that arrived and nanoseconds
 *   traffic put ADDRESS PORT N MS      N connections put keys over etcd's HTTP gateway; prints each put in nanoseconds
 * The first 9 bytes of a connection are its kind and, as 8 bytes, its message size. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char *address_text;
static int port_number;
static uint64_t until_ns;
static pthread_mutex_t printing = PTHREAD_MUTEX_INITIALIZER;

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void all_out(int end, const void *data, size_t size)
{
    const char *at = data;
    while (size) {
        ssize_t done = write(end, at, size);
        if (done <= 0)
            fail("write");
        at += done;
        size -= done;
    }
}

static int all_in(int end, void *data, size_t size)
{
    char *at = data;
    while (size) {
        ssize_t done = read(end, at, size);
        if (done <= 0)
            return 0;
        at += done;
        size -= done;
    }
    return 1;
}

static struct sockaddr_in where(void)
{
    struct sockaddr_in found = {.sin_family = AF_INET, .sin_port = htons(port_number)};
    inet_pton(AF_INET, address_text, &found.sin_addr);
    return found;
}

static int dial(void)
{
    int end = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in target = where();
    if (connect(end, (struct sockaddr *)&target, sizeof target))
        fail("connect");
    setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return end;
}

static void *serve_one(void *argument)
{
    static __thread char buffer[1 << 18];
    int end = (int)(intptr_t)argument, one = 1;
    char kind;
    uint64_t size, total = 0;
    setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (all_in(end, &kind, 1) && all_in(end, &size, 8)) {
        if (kind == 'p')
            while (all_in(end, buffer, size))
                all_out(end, buffer, size);
        else {
            for (ssize_t got; (got = read(end, buffer, sizeof buffer)) > 0;)
                total += got;
            all_out(end, &total, 8);
        }
    }
    close(end);
    return NULL;
}

static void serve(void)
{
    int listening = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in own = where();
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listening, (struct sockaddr *)&own, sizeof own) || listen(listening, 64))
        fail("listen");
    puts("ready");
    fflush(stdout);
    for (;;) {
        pthread_t thread;
        int end = accept(listening, NULL, NULL);
        if (end >= 0 && !pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)end))
            pthread_detach(thread);
    }
}

static void begin(int end, char kind, uint64_t size)
{
    char head[9] = {kind};
    memcpy(head + 1, &size, 8);
    all_out(end, head, 9);
}

static int ping(uint64_t size, int count)
{
    char *buffer = calloc(1, size);
    uint64_t *taken = calloc(count, sizeof *taken);
    int end = dial();
    begin(end, 'p', size);
    for (int i = 0; i < count; i++) {
        uint64_t start = now_ns();
        all_out(end, buffer, size);
        if (!all_in(end, buffer, size))
            fail("read");
        taken[i] = now_ns() - start;
    }
    for (int i = 0; i < count; i++)
        printf("%llu\n", (unsigned long long)taken[i]);
    return 0;
}

static int bulk(int milliseconds)
{
    static char buffer[1 << 17];
    uint64_t start, total;
    int end = dial();
    begin(end, 'b', 0);
    start = now_ns();
    while (now_ns() - start < milliseconds * 1000000ull)
        all_out(end, buffer, sizeof buffer);
    shutdown(end, SHUT_WR);
    if (!all_in(end, &total, 8))
        fail("read");
    printf("%llu %llu\n", (unsigned long long)total, (unsigned long long)(now_ns() - start));
    return 0;
}

static void *put_many(void *argument)
{
    char body[256], request[512], answer[4096];
    int number = (int)(intptr_t)argument, end = dial(), capacity = 1 << 20, count = 0;
    uint64_t *taken = malloc(capacity * sizeof *taken);
    while (now_ns() < until_ns && count < capacity) {
        uint64_t start = now_ns();
        /* base64 of a key of three bytes and a value of 48 */
        int size = snprintf(body, sizeof body, "{\"key\":\"a%02dx\",\"value\":\"%064d\"}", number, count);
        int length = snprintf(request, sizeof request,
                              "POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, body);
        ssize_t got = 0, more;
        char *head = NULL;
        all_out(end, request, length);
        for (;;) {
            if ((more = read(end, answer + got, sizeof answer - 1 - got)) <= 0)
                fail("read");
            answer[got += more] = 0;
            if (!(head = strstr(answer, "\r\n\r\n")))
                continue;
            char *field = strcasestr(answer, "content-length:");
            if (field && got >= (head + 4 - answer) + atoi(field + 15))
                break;
        }
        if (strncmp(answer, "HTTP/1.1 200", 12)) {
            fprintf(stderr, "%s\n", answer);
            exit(1);
        }
        taken[count++] = now_ns() - start;
    }
    pthread_mutex_lock(&printing);
    for (int i = 0; i < count; i++)
        printf("%llu\n", (unsigned long long)taken[i]);
    pthread_mutex_unlock(&printing);
    return NULL;
}

static int put(int connections, int milliseconds)
{
    pthread_t threads[64];
    until_ns = now_ns() + milliseconds * 1000000ull;
    for (int i = 0; i < connections && i < 64; i++)
        pthread_create(&threads[i], NULL, put_many, (void *)(intptr_t)i);
    for (int i = 0; i < connections && i < 64; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

int main(int count, char **words)
{
    if (count < 4)
        return 2;
    address_text = words[2];
    port_number = atoi(words[3]);
    if (!strcmp(words[1], "serve"))
        serve();
    if (!strcmp(words[1], "ping") && count > 5)
        return ping(atoll(words[4]), atoi(words[5]));
    if (!strcmp(words[1], "bulk") && count > 4)
        return bulk(atoi(words[4]));
    if (!strcmp(words[1], "put") && count > 5)
        return put(atoi(words[4]), atoi(words[5]));
    return 2;
}
