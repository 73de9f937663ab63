/* Proxies: what they pass on, what they show to others, what they are told, and how they end. */
#include "say.h"

struct proxy {
    void *front, *back, *capture, *control;
    int kind;
    char told[60];
    pthread_t thread;
};

static void *run (void *argument)
{
    struct proxy *p = argument;
    int rc = p->kind == 0   ? zmq_proxy (p->front, p->back, p->capture)
             : p->kind == 1 ? zmq_proxy_steerable (p->front, p->back, p->capture, p->control)
                            : zmq_device (ZMQ_QUEUE, p->front, p->back);
    snprintf (p->told, sizeof p->told, "kind %d: %d %s", p->kind, rc, rc == -1 ? name_of (zmq_errno ()) : "");
    return NULL;
}

static void end (struct proxy *p)
{
    pthread_join (p->thread, NULL);
    puts (p->told);
    void *all[] = {p->front, p->back, p->capture, p->control};
    for (int i = 0; i < 4; i++)
        if (all[i])
            zmq_close (all[i]);
}

static void ask (void *req, void *rep)
{
    SAY (zmq_send (req, "question", 8, ZMQ_SNDMORE));
    SAY (zmq_send (req, "or two", 6, 0));
    show (rep, 0);
    SAY (zmq_send (rep, "answer", 6, 0));
    show (req, 0);
}

/* A question and its answer, as somebody who looks on sees them. */
static void plain (int kind, int capture_type)
{
    void *context = zmq_ctx_new ();
    struct proxy p = {.kind = kind};
    p.front = make (context, ZMQ_ROUTER);
    p.back = make (context, ZMQ_DEALER);
    void *req = make (context, ZMQ_REQ), *rep = make (context, ZMQ_REP), *seen = NULL;
    zmq_setsockopt (req, ZMQ_ROUTING_ID, "req", 3);
    join (p.front, req, "tcp://127.0.0.1:*");
    join (p.back, rep, "inproc://back");
    if (capture_type >= 0) {
        p.capture = make (context, capture_type);
        seen = make (context, capture_type == ZMQ_PUB ? ZMQ_SUB : capture_type == ZMQ_PUSH ? ZMQ_PULL : ZMQ_PAIR);
        if (capture_type == ZMQ_PUB)
            zmq_setsockopt (seen, ZMQ_SUBSCRIBE, "", 0);
        join (p.capture, seen, "inproc://capture");
    }
    pthread_create (&p.thread, NULL, run, &p);
    ask (req, rep);
    ask (req, rep);
    for (int i = 0; seen && i < 4; i++)
        show (seen, 0);
    if (seen)
        zmq_close (seen);
    zmq_close (req);
    zmq_close (rep);
    SAY (zmq_ctx_shutdown (context));
    end (&p);
    SAY (zmq_ctx_term (context));
}

/* Eight numbers: messages and bytes that came in and went out, in front and behind. */
static void statistics (void *remote)
{
    SAY (zmq_send (remote, "STATISTICS", 10, 0));
    for (int i = 0; i < 8; i++) {
        uint64_t number = 4711;
        int size = zmq_recv (remote, &number, sizeof number, 0);
        printf ("%d bytes: %llu, more %d\n", size, (unsigned long long) number, get (remote, ZMQ_RCVMORE));
    }
}

/* Whether a REP answers anything but STATISTICS differs between versions of libzmq. */
static void steered (int is_req)
{
    void *context = zmq_ctx_new ();
    struct proxy p = {.kind = 1};
    p.front = make (context, ZMQ_PULL);
    p.back = make (context, ZMQ_PUSH);
    p.control = make (context, is_req ? ZMQ_REP : ZMQ_PAIR);
    void *push = make (context, ZMQ_PUSH), *pull = make (context, ZMQ_PULL);
    void *remote = make (context, is_req ? ZMQ_REQ : ZMQ_PAIR);
    join (p.front, push, "inproc://front");
    join (p.back, pull, "inproc://back");
    join (p.control, remote, "inproc://control");
    pthread_create (&p.thread, NULL, run, &p);
    statistics (remote);
    SAY (zmq_send (push, "one", 3, 0));
    SAY (zmq_send (push, "two", 3, ZMQ_SNDMORE));
    SAY (zmq_send (push, "more", 4, 0));
    show (pull, 0);
    show (pull, 0);
    statistics (remote);
    if (!is_req) {
        SAY (zmq_send (remote, "PAUSE", 5, 0));
        /* Answered after it: now it waits. */
        statistics (remote);
        SAY (zmq_send (push, "three", 5, 0));
        set (pull, ZMQ_RCVTIMEO, 100);
        show (pull, 0);
        set (pull, ZMQ_RCVTIMEO, 10000);
        SAY (zmq_send (remote, "RESUME", 6, 0));
        show (pull, 0);
        statistics (remote);
        SAY (zmq_send (remote, "PAUSE", 5, 0));
    }
    SAY (zmq_send (remote, "TERMINATE", 9, 0));
    zmq_close (push);
    zmq_close (pull);
    end (&p);
    zmq_close (remote);
    SAY (zmq_ctx_term (context));
}

/* One socket for both: it sends back what it receives. */
static void echo (void)
{
    void *context = zmq_ctx_new ();
    struct proxy p = {.kind = 0};
    p.front = p.back = make (context, ZMQ_ROUTER);
    void *dealer = make (context, ZMQ_DEALER);
    join (p.front, dealer, "tcp://127.0.0.1:*");
    pthread_create (&p.thread, NULL, run, &p);
    for (int i = 0; i < 3; i++) {
        SAY (zmq_send (dealer, "hello", 5, ZMQ_SNDMORE));
        SAY (zmq_send (dealer, "echo", 4, 0));
        show (dealer, 0);
    }
    zmq_close (dealer);
    zmq_ctx_shutdown (context);
    p.back = NULL;
    end (&p);
    SAY (zmq_ctx_term (context));
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    SAY (zmq_proxy_steerable (NULL, NULL, NULL, NULL));
    plain (0, -1);
    plain (0, ZMQ_PUSH);
    plain (0, ZMQ_PUB);
    plain (0, ZMQ_PAIR);
    plain (1, -1);
    plain (2, -1);
    steered (0);
    steered (1);
    echo ();
    return 0;
}
