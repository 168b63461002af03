# Sourced by each sample: the folder that it works in, the tools, and the two words
# that it is told with.
here=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:$here/../../build # for who has built the tools, and not installed them

# The folder that is named must be new, and stays; else it is a temporary one.
# What the sample has started in the background ends with it.
gone=
if [ $# -gt 0 ]; then
	folder=$1
	mkdir -- "$folder" || exit
else
	folder=$(mktemp -d) || exit
	gone=$folder
fi
trap 'jobs -p | xargs -r kill 2>/dev/null || :; wait; rm -rf "$gone"' EXIT
cp "$here"/*.* "$folder" || exit
cd -- "$folder" || exit

say() {
	echo
	printf '# %s\n' "$@"
}

# Prints a command, then runs it; a comparison that says "they differ" is no failure.
run() {
	printf '$ %s\n' "$1"
	eval "$1" || [[ $? -eq 1 && $1 =~ ^(ev)?diff ]]
}
