#include "cli/cli.h"

int main(int argc, char **argv)
{
    return mur_cli_run(argc, (const char **)argv);
}
