/* Runs one of CZMQ's own tests, of the classes that use sockets: they abort if something is not as it should be. */

#include <czmq.h>
#include <stdio.h>
#include <string.h>

static const struct { const char *name; void (*run) (bool verbose); } tests[] = {
    {"zsock", zsock_test},       {"zframe", zframe_test},     {"zmsg", zmsg_test},     {"zactor", zactor_test},
    {"zpoller", zpoller_test},   {"zloop", zloop_test},       {"zproxy", zproxy_test}, {"zmonitor", zmonitor_test},
    {"zauth", zauth_test},       {"zbeacon", zbeacon_test},   {"zgossip", zgossip_test}, {"zstr", zstr_test},
    {"zcert", zcert_test},       {"zcertstore", zcertstore_test}, {"zsys", zsys_test}, {"zconfig", zconfig_test},
};

int main (int argc, char **argv)
{
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        if (argc < 2)
            puts (tests[i].name);
        else if (strcmp (argv[1], tests[i].name) == 0) {
            tests[i].run (false);
            zsys_shutdown ();
            return 0;
        }
    }
    return argc < 2 ? 0 : 2;
}
