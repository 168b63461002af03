# Sourced by each sample.  Sets up the folder that the sample works in and the path to the
# tools, and defines the functions that it is written with, say and run.
here=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:$here/../../build # if the tools are built, but not installed

# A folder that is named must be new, and is kept; otherwise a temporary one is used.
# Everything that the sample started in the background ends with it.
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

# Prints a command, then runs it.  A comparison whose result is "they differ" is not a failure.
run() {
	printf '$ %s\n' "$1"
	eval "$1" || [[ $? -eq 1 && $1 =~ ^(ev)?diff ]]
}
