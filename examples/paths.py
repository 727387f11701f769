"""The shortest ways between three places (Floyd and Warshall).

    trilha run --grain variable paths.py
    trilha slice 'result[0][2]'

The second command tells which lines the shortest way from the first place to the third came from.
"""

far = 10000
result = dist = [
    [0, 1, 4],
    [far, 0, 2],
    [2, far, 0],
]
nodes = range(len(dist))
for k in nodes:
    for i in nodes:
        for j in nodes:
            way = dist[i][k] + dist[k][j]
            shorter = way < dist[i][j]
            if shorter:
                dist[i][j] = way
print(result[0][2])
