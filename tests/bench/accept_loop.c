/* The yardstick: the least a queue program can do. Takes every packet whole, accepts it as it is.
 * cc -O2 accept_loop.c -o accept_loop -lnetfilter_queue; ./accept_loop QUEUE; says "ready" when bound. */
#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static int judge(struct nfq_q_handle *queue, struct nfgenmsg *message, struct nfq_data *data, void *unused)
{
    struct nfqnl_msg_packet_hdr *header = nfq_get_msg_packet_hdr(data);
    (void)message;
    (void)unused;
    return nfq_set_verdict(queue, header ? ntohl(header->packet_id) : 0, NF_ACCEPT, 0, NULL);
}

int main(int count, char **words)
{
    static char buffer[1 << 16] __attribute__((aligned(8)));
    struct nfq_handle *handle = nfq_open();
    struct nfq_q_handle *queue = handle ? nfq_create_queue(handle, count > 1 ? atoi(words[1]) : 0, judge, NULL) : NULL;
    int size = 64 << 20, descriptor;

    if (!queue || nfq_set_mode(queue, NFQNL_COPY_PACKET, 0xffff) < 0) {
        perror("accept_loop");
        return 1;
    }
    nfq_set_queue_maxlen(queue, 65536);
    descriptor = nfq_fd(handle);
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    puts("ready");
    fflush(stdout);
    for (;;) {
        int got = recv(descriptor, buffer, sizeof buffer, 0);
        if (got >= 0)
            nfq_handle_packet(handle, buffer, got);
        else if (errno != ENOBUFS && errno != EINTR)
            return 1;
    }
}
