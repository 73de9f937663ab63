/* The patterns, over each transport. */
#include "say.h"

static void request_reply (void *context, const char *wild)
{
    void *req = make (context, ZMQ_REQ), *rep = make (context, ZMQ_REP);
    join (rep, req, wild);
    SAY (zmq_recv (req, NULL, 0, ZMQ_DONTWAIT));
    SAY (zmq_send (rep, "early", 5, ZMQ_DONTWAIT));
    SAY (zmq_send (req, "a", 1, ZMQ_SNDMORE));
    SAY (zmq_send (req, "bc", 2, 0));
    SAY (zmq_send (req, "again", 5, ZMQ_DONTWAIT));
    show (rep, 0);
    SAY (zmq_recv (rep, NULL, 0, ZMQ_DONTWAIT));
    SAY (zmq_send (rep, "x", 1, ZMQ_SNDMORE));
    SAY (zmq_send (rep, "yz", 2, 0));
    show (req, 0);
    SAY (zmq_recv (req, NULL, 0, ZMQ_DONTWAIT));

    void *dealer = make (context, ZMQ_DEALER);
    visit (rep, dealer);
    SAY (zmq_send (dealer, "", 0, ZMQ_SNDMORE));
    SAY (zmq_send (dealer, "by hand", 7, 0));
    show (rep, 0);
    SAY (zmq_send (rep, "so what", 7, 0));
    show (dealer, 0);
    zmq_close (dealer);
    zmq_close (req);
    zmq_close (rep);
}

static void routing (void *context, const char *wild)
{
    void *router = make (context, ZMQ_ROUTER), *dealer = make (context, ZMQ_DEALER);
    zmq_setsockopt (dealer, ZMQ_ROUTING_ID, "name", 4);
    join (router, dealer, wild);
    SAY (zmq_send (dealer, "one", 3, ZMQ_SNDMORE));
    SAY (zmq_send (dealer, "two", 3, 0));
    show (router, 0);
    SAY (zmq_send (router, "nobody", 6, ZMQ_SNDMORE));
    SAY (zmq_send (router, "lost", 4, 0));
    SAY (zmq_send (router, "name", 4, ZMQ_SNDMORE));
    SAY (zmq_send (router, "", 0, ZMQ_SNDMORE));
    SAY (zmq_send (router, "found", 5, 0));
    show (dealer, 0);
    set (router, ZMQ_ROUTER_MANDATORY, 1);
    SAY (zmq_send (router, "nobody", 6, ZMQ_SNDMORE));
    SAY (zmq_send (router, "name", 4, ZMQ_SNDMORE | ZMQ_DONTWAIT));
    SAY (zmq_send (router, "still", 5, ZMQ_DONTWAIT));
    show (dealer, 0);

    void *anonymous = make (context, ZMQ_DEALER);
    visit (router, anonymous);
    zmq_send (anonymous, "hello", 5, 0);
    zmq_msg_t id;
    zmq_msg_init (&id);
    SAY (zmq_msg_recv (&id, router, 0));
    printf ("%d\n", *(char *) zmq_msg_data (&id));
    show (router, 0);
    SAY (zmq_msg_send (&id, router, ZMQ_SNDMORE));
    SAY (zmq_send (router, "to you", 6, 0));
    show (anonymous, 0);
    zmq_close (anonymous);
    zmq_close (router);
    zmq_close (dealer);
}

static void publishing (void *context, const char *wild)
{
    void *xpub = make (context, ZMQ_XPUB), *sub = make (context, ZMQ_SUB), *xsub = make (context, ZMQ_XSUB);
    zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "a", 1);
    join (xpub, sub, wild);
    show (xpub, 0);
    SAY (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "bb", 2));
    show (xpub, 0);
    SAY (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "bb", 2));
    SAY (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, "bb", 2));
    SAY (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, "a", 1));
    show (xpub, 0);
    SAY (zmq_send (xpub, "a", 1, 0));
    SAY (zmq_send (xpub, "b", 1, 0));
    SAY (zmq_send (xpub, "bbb", 3, ZMQ_SNDMORE));
    SAY (zmq_send (xpub, "rest", 4, 0));
    show (sub, 0);
    SAY (zmq_send (sub, "no", 2, 0));
    SAY (get (xpub, ZMQ_EVENTS));
    SAY (get (sub, ZMQ_EVENTS));

    visit (xpub, xsub);
    SAY (zmq_send (xsub, "\1c", 2, 0));
    show (xpub, 0);
    SAY (zmq_send (xpub, "cc", 2, 0));
    show (xsub, 0);
    SAY (zmq_send (xsub, "\0c", 2, 0));
    show (xpub, 0);

    set (xpub, ZMQ_XPUB_VERBOSE, 1);
    for (int i = 0; i < 2; i++) {
        SAY (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, "dd", 2));
        show (xpub, 0);
    }
    for (int i = 0; i < 2; i++)
        SAY (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, "dd", 2));
    show (xpub, 0);
    set (xpub, ZMQ_XPUB_VERBOSE, 0);
    zmq_close (sub);
    show (xpub, 0);
    zmq_close (xsub);
    zmq_close (xpub);
}

static void pipeline (void *context, const char *wild)
{
    void *push = make (context, ZMQ_PUSH), *pull = make (context, ZMQ_PULL);
    SAY (get (push, ZMQ_EVENTS));
    SAY (zmq_send (push, "", 0, ZMQ_DONTWAIT | ZMQ_SNDMORE));
    set (push, ZMQ_SNDTIMEO, 50);
    SAY (zmq_send (push, "", 0, 0));
    set (push, ZMQ_SNDTIMEO, 10000);
    join (pull, push, wild);
    for (int i = 0; i < 3; i++)
        SAY (zmq_send (push, "123", i, 0));
    for (int i = 0; i < 3; i++)
        show (pull, 0);
    set (pull, ZMQ_RCVTIMEO, 50);
    show (pull, 0);
    show (pull, ZMQ_DONTWAIT);
    zmq_close (push);
    zmq_close (pull);

    void *a = make (context, ZMQ_PAIR), *b = make (context, ZMQ_PAIR);
    join (a, b, strncmp (wild, "inproc", 6) ? wild : "inproc://pair");
    SAY (zmq_send (b, "there", 5, ZMQ_SNDMORE));
    SAY (zmq_send (b, "", 0, 0));
    show (a, 0);
    SAY (zmq_send (a, "and back", 8, 0));
    show (b, 0);
    zmq_close (a);
    zmq_close (b);
}

static void *run_proxy (void *sockets)
{
    void **s = sockets;
    SAY (zmq_proxy_steerable (s[0], s[1], NULL, s[2]));
    return NULL;
}

static void proxy (void *context, const char *wild)
{
    void *front = make (context, ZMQ_ROUTER), *back = make (context, ZMQ_DEALER);
    void *req = make (context, ZMQ_REQ), *rep = make (context, ZMQ_REP);
    void *control = make (context, ZMQ_PAIR), *remote = make (context, ZMQ_PAIR);
    join (front, req, wild);
    join (back, rep, wild);
    zmq_bind (control, "inproc://control");
    zmq_connect (remote, "inproc://control");
    void *sockets[] = {front, back, control};
    pthread_t thread;
    pthread_create (&thread, NULL, run_proxy, sockets);
    for (int i = 0; i < 3; i++) {
        zmq_send (req, "question", 8, 0);
        show (rep, 0);
        zmq_send (rep, "answer", 6, 0);
        show (req, 0);
    }
    zmq_send (remote, "TERMINATE", 9, 0);
    pthread_join (thread, NULL);
    void *all[] = {front, back, req, rep, control, remote};
    for (int i = 0; i < 6; i++)
        zmq_close (all[i]);
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    static const char *endpoints[] = {"inproc://x", "tcp://127.0.0.1:*", "ipc://*"};
    for (int i = 0; i < 3; i++) {
        void *context = zmq_ctx_new ();
        request_reply (context, endpoints[i]);
        routing (context, i ? endpoints[i] : "inproc://y");
        publishing (context, i ? endpoints[i] : "inproc://z");
        pipeline (context, i ? endpoints[i] : "inproc://v");
        if (i)
            proxy (context, endpoints[i]);
        SAY (zmq_ctx_term (context));
    }
    return 0;
}
