// SPDX-License-Identifier: BSD-3-Clause
//
// The question of echo_loopback.cpp, asked of lwIP (liblwip-dev): what does a connection cost, both
// ends in one process, 64 bytes each way, beside idle ones? Two interfaces of one stack hand each
// other copies of their packets. Its TIME_WAIT list is emptied between batches, outside the time
// that counts, and so are its timers run: what is left is the best that it can do.
//
//   lwip_echo CONNECTIONS REQUESTS IDLE
#include <lwip/init.h>
#include <lwip/ip.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { kMessage = 64, kBatch = 32, kRing = 1 << 14, kPort = 7 };

static struct netif g_client, g_server;
static struct {
  struct pbuf* packet;
  struct netif* to;
} g_ring[kRing];
static unsigned g_head, g_tail;
static char g_message[kMessage];
static long g_requests;  // of each connection
static long g_open;      // connections that are not closed yet, or not yet idle
static long g_failed;

struct exchange {
  long left;
  unsigned got;
  int stays;
};

static err_t carry(struct netif* from, struct pbuf* p, const ip4_addr_t* to) {
  (void)to;
  struct pbuf* copy = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
  if (copy == NULL || g_tail - g_head == kRing) return ERR_MEM;
  g_ring[g_tail % kRing].packet = copy;
  g_ring[g_tail++ % kRing].to = from == &g_client ? &g_server : &g_client;
  return ERR_OK;
}

static err_t interface_begins(struct netif* n) {
  n->name[0] = 'c';
  n->name[1] = 'a';
  n->mtu = 1500;
  n->output = carry;
  n->flags = NETIF_FLAG_UP | NETIF_FLAG_LINK_UP;
  return ERR_OK;
}

static void deliver(void) {
  while (g_head != g_tail) {
    const unsigned i = g_head++ % kRing;
    if (g_ring[i].to->input(g_ring[i].packet, g_ring[i].to) != ERR_OK) pbuf_free(g_ring[i].packet);
  }
}

static err_t server_receives(void* arg, struct tcp_pcb* pcb, struct pbuf* p, err_t err) {
  (void)arg, (void)err;
  if (p == NULL) return tcp_close(pcb);
  for (struct pbuf* q = p; q != NULL; q = q->next) {
    if (tcp_write(pcb, q->payload, q->len, TCP_WRITE_FLAG_COPY) != ERR_OK) ++g_failed;
  }
  tcp_recved(pcb, p->tot_len);
  pbuf_free(p);
  return tcp_output(pcb);
}

static err_t server_accepts(void* arg, struct tcp_pcb* pcb, err_t err) {
  (void)arg, (void)err;
  tcp_recv(pcb, server_receives);
  return ERR_OK;
}

static err_t ask(struct tcp_pcb* pcb) {
  if (tcp_write(pcb, g_message, kMessage, TCP_WRITE_FLAG_COPY) != ERR_OK) ++g_failed;
  return tcp_output(pcb);
}

static err_t client_receives(void* arg, struct tcp_pcb* pcb, struct pbuf* p, err_t err) {
  (void)err;
  struct exchange* x = arg;
  if (p == NULL) return ERR_OK;
  x->got += p->tot_len;
  tcp_recved(pcb, p->tot_len);
  pbuf_free(p);
  if (x->got < kMessage) return ERR_OK;
  x->got = 0;
  if (--x->left > 0) return ask(pcb);
  --g_open;
  if (x->stays) return ERR_OK;
  tcp_arg(pcb, NULL);
  tcp_recv(pcb, NULL);
  return tcp_close(pcb);
}

static err_t client_connected(void* arg, struct tcp_pcb* pcb, err_t err) {
  (void)arg, (void)err;
  return ask(pcb);
}

static void client_failed(void* arg, err_t err) {
  (void)arg, (void)err;
  ++g_failed, --g_open;
}

// Opens `number` connections, and waits until all have done what they are for.
static void exchange(struct exchange* all, int number, int stays) {
  for (int i = 0; i < number; ++i) {
    all[i] = (struct exchange){.left = stays ? 1 : g_requests, .got = 0, .stays = stays};
    struct tcp_pcb* pcb = tcp_new_ip_type(IPADDR_TYPE_V4);
    if (pcb == NULL) exit(1);
    tcp_bind_netif(pcb, &g_client);
    if (tcp_bind(pcb, netif_ip_addr4(&g_client), 0) != ERR_OK) exit(1);
    tcp_arg(pcb, &all[i]);
    tcp_recv(pcb, client_receives);
    tcp_err(pcb, client_failed);
    ++g_open;
    if (tcp_connect(pcb, netif_ip_addr4(&g_server), kPort, client_connected) != ERR_OK) exit(1);
  }
  // What is lost is sent again by the timers; nothing should be.
  for (int turn = 0; (g_open > 0 || g_head != g_tail) && turn < 1000; ++turn) {
    deliver();
    if (g_head == g_tail && g_open > 0) tcp_tmr();
  }
}

static double cpu_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static void forget_time_wait(void) {
  for (int i = 0; i < 2000 && tcp_tw_pcbs != NULL; ++i) {
    tcp_tmr();
    deliver();
  }
}

int main(int argc, char** argv) {
  if (argc != 4) return fprintf(stderr, "usage: lwip_echo CONNECTIONS REQUESTS IDLE\n"), 2;
  const long connections = atol(argv[1]), idle = atol(argv[3]);
  g_requests = atol(argv[2]);
  lwip_init();
  ip4_addr_t client, server, mask;
  IP4_ADDR(&client, 198, 18, 0, 1);
  IP4_ADDR(&server, 198, 18, 0, 2);
  IP4_ADDR(&mask, 255, 255, 255, 0);
  netif_add(&g_client, &client, &mask, NULL, NULL, interface_begins, ip_input);
  netif_add(&g_server, &server, &mask, NULL, NULL, interface_begins, ip_input);

  struct tcp_pcb* listener = tcp_new_ip_type(IPADDR_TYPE_V4);
  tcp_bind_netif(listener, &g_server);
  tcp_bind(listener, netif_ip_addr4(&g_server), kPort);
  listener = tcp_listen_with_backlog(listener, 255);
  tcp_accept(listener, server_accepts);

  struct exchange* idlers = calloc((size_t)idle + kBatch, sizeof *idlers);
  for (long n = 0; n < idle; n += kBatch) exchange(idlers + n, kBatch, 1);
  struct exchange batch[kBatch];
  double spent = 0;
  long done = 0;
  for (; done < connections; done += kBatch) {
    const double begun = cpu_ns();
    exchange(batch, kBatch, 0);
    deliver();
    spent += cpu_ns() - begun;
    forget_time_wait();
  }
  printf("%ld connections, %ld requests each, %ld idle beside: %.1f ns a connection, %ld failed\n",
         done, g_requests, idle, spent / (double)done, g_failed + g_open);
  return g_failed + g_open == 0 ? 0 : 1;
}
